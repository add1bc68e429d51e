import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, startProcess } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

/** A folder in which commands of a page may write, with the repository's files but for its settings and data. */
export async function openCheckout(): Promise<string> {
  const folder = await makeFolder();
  for (const name of await readdir(root)) {
    if (!['.git', '.env', '.data'].includes(name)) await symlink(join(root, name), join(folder, name));
  }
  return folder;
}

/**
 * A shell into which commands are pasted one after the other, as into a terminal: what one of them sets, the next one has.
 * It begins with nothing but the given variables, and the folder is also its home.
 */
export function openTerminal(folder: string, env: Readonly<Record<string, string>> = {}) {
  const shell = startProcess(['bash', '-e'], { cwd: folder, env: { HOME: folder, ...env } });
  let pasted = 0;
  return {
    shell,

    /** Runs commands to their end; rejects where one of them fails. */
    async paste(commands: string): Promise<string> {
      pasted += 1;
      const before = shell.stdout.length;
      // On a line of its own, whatever the commands printed last.
      shell.write(`${commands}\nprintf '\\nend of ${pasted}\\n'\n`);
      await shell.until(new RegExp(`^(end of ${pasted})$`, 'm'));
      return shell.stdout.slice(before).replace(/\nend of \d+\n$/, '');
    },

    /** Runs commands the last of which goes on; resolves with what it prints. */
    async start(commands: string, pattern: RegExp): Promise<string> {
      shell.write(`${commands}\n`);
      return await shell.until(pattern);
    },
  };
}
