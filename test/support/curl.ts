import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, startProcess } from './process.ts';
import { repeatedIfLate } from './too-slow.ts';

/** The curl commands in the output of a server. */
export const curlsIn = (stdout: string): string[] => stdout.match(/^curl (?:.*\\\n)*.*$/gm) ?? [];

/** Runs a command in a shell; it may be run twice. */
export const paste = (command: string) => repeatedIfLate(() => pasteOnce(command));

async function pasteOnce(command: string): Promise<{ status: number; body: unknown }> {
  const home = await makeFolder();
  // The command stays as printed, and curl also prints the status.
  await writeFile(join(home, '.curlrc'), 'write-out = "\\n%{http_code}"\nsilent\n');
  const shell = startProcess(['bash', '-c', command], { env: { HOME: home } });
  await shell.exit;
  const end = shell.stdout.lastIndexOf('\n');
  return { status: Number(shell.stdout.slice(end)), body: JSON.parse(shell.stdout.slice(0, end)) };
}
