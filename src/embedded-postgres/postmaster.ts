import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '../start-error.ts';
import type { Cluster } from './cluster.ts';
import { errorCode, readOptional } from './home.ts';
import { lastLine, plainEnvironment } from './user.ts';

/** Milliseconds for PostgreSQL to start, recovery after a crash included, or to stop. */
const patience = 60_000;

const pollInterval = 20;

/** A setting of PostgreSQL that tells the id of the process that started it. */
export const startedBy = 'interview_agents.started_by';

/** Another process started or stopped the same PostgreSQL meanwhile: look again. */
export class Overtaken extends Error {}

/** What `postmaster.pid` tells of a running PostgreSQL. */
interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** `starting`, `ready`, `stopping`. */
  readonly status: string;
}

/**
 * Makes sure that PostgreSQL runs on the cluster.
 * @returns the TCP port it listens on, and whether it ran already
 * @throws StartError when it does not start, with the reason from its log; Overtaken when another process was faster
 */
export async function ensureRunning(cluster: Cluster): Promise<{ port: number; found: boolean }> {
  const deadline = Date.now() + patience;
  for (;;) {
    const postmaster = await readPostmaster(cluster.directory);
    if (postmaster === undefined || !isAlive(postmaster.pid)) return { port: await start(cluster), found: false };
    if (postmaster.status === 'ready') return { port: postmaster.port, found: true };
    if (Date.now() > deadline) throw new StartError(`PostgreSQL in ${cluster.directory} stays ${postmaster.status}`);
    await delay(pollInterval);
  }
}

async function readPostmaster(directory: string): Promise<Postmaster | undefined> {
  const text = await readOptional(join(directory, 'postmaster.pid'));
  if (text === undefined) return undefined;
  const [pid = '', , , port = '', , , , status = 'starting'] = text.split('\n');
  return { pid: Number(pid), port: Number(port), status: status.trim() || 'starting' };
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/**
 * Starts PostgreSQL.
 * @returns the TCP port it listens on
 * @throws as ensureRunning does
 */
export async function start(cluster: Cluster): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const reason = await startOn(cluster, port);
    if (reason === undefined) return port;
    const other = await readPostmaster(cluster.directory);
    if (/lock file .* already exists/.test(reason) || (other && isAlive(other.pid))) throw new Overtaken(reason);
    const portTaken = /could not create any TCP\/IP sockets/.test(reason);
    if (!portTaken || attempt === 5) throw new StartError(`PostgreSQL does not start: ${reason}`);
  }
}

/** Answers nothing when PostgreSQL is ready, else the last line of its log. */
async function startOn(cluster: Cluster, port: number): Promise<string | undefined> {
  const logFile = join(cluster.home.directory, 'postgres.log');
  // Emptied at each start; appended to, since the one who was overtaken empties the winner's.
  await writeFile(logFile, '', { mode: 0o600 });
  const log = await open(logFile, 'a');
  try {
    // Detached: in a session of its own, where no Ctrl-C from the terminal reaches it.
    const child = spawn(cluster.binaries.postgres, ['-D', cluster.directory, ...settings(port)], {
      ...cluster.home.user.ids,
      cwd: '/',
      env: plainEnvironment,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    return await outcomeOf(child, cluster, logFile);
  } finally {
    await log.close();
  }
}

function settings(port: number): string[] {
  const chosen = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    // The log tells why PostgreSQL did not start, and stays small: statements are refused in the answer to them.
    logging_collector: 'off',
    log_min_messages: 'fatal',
    log_min_error_statement: 'panic',
    [startedBy]: process.pid,
  };
  return Object.entries(chosen).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function outcomeOf(child: ChildProcess, cluster: Cluster, logFile: string): Promise<string | undefined> {
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  child.unref();
  const deadline = Date.now() + patience;
  while (child.exitCode === null && child.signalCode === null) {
    if (failure !== undefined) return failure.message;
    const postmaster = await readPostmaster(cluster.directory);
    if (postmaster?.pid === child.pid && postmaster?.status === 'ready') return undefined;
    if (Date.now() > deadline) {
      child.kill('SIGINT');
      return `it was not ready after ${patience / 1000} seconds`;
    }
    await delay(pollInterval);
  }
  return lastLine(await readFile(logFile, 'utf8'));
}

/** A port that is free now; somebody else may take it before PostgreSQL does. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/**
 * Stops PostgreSQL, cutting off whoever is still connected; resolves when the cluster is free.
 * @throws Error when it goes on running
 */
export async function stop({ directory }: Cluster): Promise<void> {
  const running = await readPostmaster(directory);
  if (running === undefined || !isAlive(running.pid)) return;
  const isGone = async () => (await readPostmaster(directory))?.pid !== running.pid || !isAlive(running.pid);
  process.kill(running.pid, 'SIGINT');
  if (await isTrueWithin(patience / 3, isGone)) return;
  // Asked to stop while it recovers from a crash, PostgreSQL 18 may wait for ever. This way it stops at once, and reads
  // what was committed from its log at the next start.
  process.kill(running.pid, 'SIGQUIT');
  if (!(await isTrueWithin(patience, isGone))) throw new Error(`PostgreSQL (process ${running.pid}) does not stop`);
}

async function isTrueWithin(milliseconds: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await delay(pollInterval);
  }
  return true;
}
