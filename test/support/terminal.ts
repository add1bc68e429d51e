import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, startProcess } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

/** A folder in which commands of a page may write, with the repository's files except its settings and data. */
export async function openCheckout(): Promise<string> {
  const folder = await makeFolder();
  for (const name of await readdir(root)) {
    if (!['.git', '.env', '.data'].includes(name)) await symlink(join(root, name), join(folder, name));
  }
  return folder;
}

/**
 * A shell in which commands run one after the other, as in a terminal, so that variables are kept. It begins with only
 * the given variables, and the folder is also its home.
 */
export function openTerminal(folder: string, env: Readonly<Record<string, string>> = {}) {
  const shell = startProcess(['bash', '-e'], { cwd: folder, env: { HOME: folder, ...env } });
  let pasted = 0;
  return {
    shell,

    /** Runs commands to their end; rejects if one of them fails. */
    async paste(commands: string): Promise<string> {
      pasted += 1;
      const before = shell.stdout.length;
      // On a line of its own, even if the output of the commands ends without a line break.
      shell.write(`${commands}\nprintf '\\nend of ${pasted}\\n'\n`);
      await shell.until(new RegExp(`^(end of ${pasted})$`, 'm'));
      return shell.stdout.slice(before).replace(/\nend of \d+\n$/, '');
    },

    /** Runs commands of which the last does not end; resolves with its output. */
    async start(commands: string, pattern: RegExp): Promise<string> {
      shell.write(`${commands}\n`);
      return await shell.until(pattern);
    },
  };
}
