import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { eraseEmbedded } from './erase-embedded.ts';

const prefix = 'interview-agents-api-tests-';
const workerPrefix = 'worker-';
const groupPrefix = 'process-group-';

/**
 * Makes the folder of this test run the one for temporary files, also of its workers. When the process ends, however it is
 * interrupted, what still runs is killed and the folder erased; after SIGKILL, the next run erases it, and a PostgreSQL
 * whose `postmaster.pid` is gone ends by itself within a minute.
 */
export function beginTestRun(): void {
  const all = tmpdir();
  for (const name of readdirSync(all).filter((entry) => entry.startsWith(prefix))) {
    const isMine = statSync(join(all, name), { throwIfNoEntry: false })?.uid === process.getuid?.();
    if (!isMine || isAlive(Number(name.slice(prefix.length)))) continue;
    try {
      eraseFolder(join(all, name));
    } catch {
      // Another run is erasing it too; otherwise the next run does.
    }
  }
  const folder = join(all, `${prefix}${process.pid}`);
  mkdirSync(folder);
  // As root PostgreSQL runs as another user, who must be able to enter.
  chmodSync(folder, 0o755);
  process.env['TMPDIR'] = folder;
  process.once('exit', () => {
    // Workers run for a while after this process ended, and may start more processes.
    for (const worker of notesIn(folder, workerPrefix)) killNoted(worker, 1);
    for (const group of notesIn(folder, groupPrefix)) killNoted(group, -1);
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    for (const name of found.filter((path) => basename(path) === 'postgres-location')) {
      killPostgres(join(readFileSync(join(folder, name), 'utf8'), 'cluster'));
    }
    for (const name of found.filter((path) => basename(path) === 'postmaster.pid')) {
      killPostgres(dirname(join(folder, name)));
    }
    eraseFolder(folder);
  });
}

/**
 * Ends a group of processes with the test run at the latest.
 * @param group the id of its first process
 * @returns kills what is left of it
 */
export function inTestRun(group: number | undefined): () => void {
  note(workerPrefix, process.pid);
  const file = note(groupPrefix, Number(group));
  return () => {
    killNoted(file, -1);
    rmSync(file, { force: true });
  };
}

/** Writes into the folder of the test run that a process belongs to it. */
function note(start: string, pid: number): string {
  const file = join(tmpdir(), `${start}${pid}`);
  writeFileSync(file, beginOf(pid));
  return file;
}

function notesIn(folder: string, start: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(start))
    .map((name) => join(folder, name));
}

/** Kills a process of the test run, or the group that it began, unless another process has its id by now. */
function killNoted(file: string, sign: 1 | -1): void {
  const pid = Number(/\d+$/.exec(file)?.[0]);
  const [noted, now] = [textOf(file), beginOf(pid)];
  if (noted === now || noted === '' || now === '') kill(sign * pid, 'SIGKILL');
}

/** When a process began, in ticks of the system's clock; empty if it has ended, and on a system without /proc. */
function beginOf(pid: number): string {
  // The 22nd member; the second is a name in brackets, which may have spaces.
  return textOf(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? '';
}

/** The text of a file; empty if it is not there. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Kills the PostgreSQL of a cluster at once, if one runs. */
export function killPostgres(cluster: string): void {
  const pid = Number.parseInt(textOf(join(cluster, 'postmaster.pid')), 10);
  // Negative while initdb fills the cluster.
  if (!(pid > 0)) return;
  kill(pid, 'SIGQUIT');
  // A test may have stopped it (SIGSTOP).
  kill(pid, 'SIGCONT');
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function eraseFolder(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (basename(name) === 'postgres-location') eraseEmbedded(dirname(join(folder, name)));
  }
  // A PostgreSQL that is shutting down may still write to it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
