import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { eraseEmbedded } from './erase-embedded.ts';

const prefix = 'interview-agents-api-tests-';
const groupPrefix = 'process-group-';

/**
 * Makes the folder of this test run the one for temporary files, also of its workers. When the process ends, however it is
 * interrupted, what still runs is killed and the folder erased; after SIGKILL, the next run erases it, and a PostgreSQL
 * whose `postmaster.pid` is gone ends by itself within a minute.
 */
export function beginTestRun(): void {
  const all = tmpdir();
  for (const name of readdirSync(all)) {
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) eraseFolder(join(all, name));
  }
  const folder = join(all, `${prefix}${process.pid}`);
  mkdirSync(folder);
  // As root PostgreSQL runs as another user, who must be able to enter.
  chmodSync(folder, 0o755);
  process.env['TMPDIR'] = folder;
  process.once('exit', () => {
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    for (const name of found.filter((path) => path.startsWith(groupPrefix))) {
      kill(-Number(name.slice(groupPrefix.length)), 'SIGKILL');
    }
    for (const name of found.filter((path) => basename(path) === 'postgres-location')) {
      killPostgres(join(readFileSync(join(folder, name), 'utf8'), 'cluster'));
    }
    for (const name of found.filter((path) => basename(path) === 'postmaster.pid')) {
      killPostgres(dirname(join(folder, name)));
    }
    eraseFolder(folder);
  });
}

/** A file whose presence says that a group of processes belongs to this test run. */
export const groupFile = (id: number): string => join(tmpdir(), `${groupPrefix}${id}`);

/** Kills the PostgreSQL of a cluster at once. */
function killPostgres(cluster: string): void {
  const file = join(cluster, 'postmaster.pid');
  if (existsSync(file)) kill(Number.parseInt(readFileSync(file, 'utf8'), 10), 'SIGQUIT');
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function eraseFolder(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (basename(name) === 'postgres-location') eraseEmbedded(dirname(join(folder, name)));
  }
  // A PostgreSQL that is ending may still write to it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
