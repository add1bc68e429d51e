import { execFileSync } from 'node:child_process';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * Makes the next start of a DATA_DIR's PostgreSQL, which does not run, recover for as long as the test needs.
 * @returns resolves once PostgreSQL recovers, with a function that lets the recovery end, also that of later starts
 */
export async function slowRecovery(dataDir: string): Promise<() => Promise<() => Promise<void>>> {
  const home = join(dataDir, 'postgres');
  const settings = join(home, 'cluster', 'postgresql.conf');
  const text = await readFile(settings, 'utf8');
  onTestFinished(() => writeFile(settings, text));
  // As a command that fetches the log, PostgreSQL reads from a pipe, and waits until there is a writer.
  const pipe = join(home, 'pipe');
  execFileSync('mkfifo', ['--mode=0644', pipe]);
  await writeFile(settings, `${text}\nhot_standby = off\nrestore_command = 'cat "${pipe}"; false'\n`);
  await writeFile(join(home, 'cluster', 'recovery.signal'), '');
  return async () => {
    const writer = await open(pipe, 'w');
    return async () => {
      await rm(pipe);
      await writer.close();
    };
  };
}
