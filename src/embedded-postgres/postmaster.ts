import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, StartError } from '../errors.ts';
import { endSignals } from '../process/end-signals.ts';
import { readOptional } from '../process/read-or-create.ts';
import type { Cluster } from './cluster.ts';
import { environment, lastLine } from './os-user.ts';

/** Milliseconds for PostgreSQL to start; a recovery after a crash may take longer. */
const startLimit = 60_000;

/** Milliseconds for PostgreSQL to stop, after each signal. */
const stopLimit = 20_000;

/** PostgreSQL is starting, stopping, or used by another process: try again. */
export class Busy extends Error {}

/** A running PostgreSQL. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly isReady: boolean;
}

export interface StartedPostmaster extends Postmaster {
  /** To be called when another process owns it: a signal that ends this process leaves it running from now on. */
  handOver(): void;
}

/** What `postmaster.pid` says; undefined when no process has the id in it, or it has no port. */
export async function findPostmaster({ data }: Cluster): Promise<Postmaster | undefined> {
  const text = await readOptional(join(data, 'postmaster.pid'));
  const [pid = '', , , port = '', , , , status = ''] = text?.split('\n') ?? [];
  if (!isAlive(Number(pid)) || !(Number(port) > 0)) return undefined;
  return { pid: Number(pid), port: Number(port), isReady: status.trim() === 'ready' };
}

export function isAlive(pid: number): boolean {
  // 0 and less stand for groups of processes.
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

/**
 * Starts PostgreSQL. Until it is ready, a signal that ends this process stops it too, since a recovery may take hours.
 * @param detached whether PostgreSQL keeps running when a signal ends this process later; otherwise it is stopped then as well
 * @throws StartError with the reason from its log, or after a signal; Busy when another process started it, or took its port
 */
export async function startPostmaster(cluster: Cluster, detached: boolean): Promise<StartedPostmaster> {
  const logFile = join(cluster.directory, 'postgres.log');
  // Appended to, because two starts at the same moment share it.
  const log = await open(logFile, 'a', 0o600);
  await log.truncate();
  // Makes room for the reason as well: on a full disk, PostgreSQL would end and could not say why.
  await log.write(`${new Date().toISOString()} LOG: the log of the last start\n`);
  const settings = Object.entries({ port: await freePort(), ...fixedSettings });
  const parameters = ['-D', cluster.data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const stdio = ['ignore', log.fd, log.fd] as const;
  const options = { ...cluster.user.ids, cwd: '/', env: environment, detached, stdio: [...stdio] };
  // Before it starts, since a signal may come as soon as it runs.
  const handOver = atEndSignals(() => child.kill('SIGQUIT'));
  const child = spawn(join(cluster.programs.directory, 'postgres'), parameters, options);
  child.unref();
  child.once('exit', handOver);
  let failure: string | undefined;
  child.on('error', (error) => {
    failure = error.message;
  });
  await log.close();

  let deadline = performance.now() + startLimit;
  while (failure === undefined && child.exitCode === null && child.signalCode === null) {
    const found = await findPostmaster(cluster);
    const isRunning = found?.pid === child.pid;
    // After a signal, `postmaster.pid` may be there for some more milliseconds.
    if (isRunning && found?.isReady && !child.killed) {
      if (detached) handOver();
      return { ...found, handOver };
    }
    const isLate = performance.now() > deadline;
    if (isLate && isRunning) {
      // It recovers from a crash. If it was killed now, the next start would begin with that anew.
      deadline = Number.POSITIVE_INFINITY;
      console.error(`PostgreSQL in ${cluster.data} still recovers from a crash: the start waits for it`);
    } else if (isLate) {
      child.kill('SIGQUIT');
      failure = `it was not ready after ${startLimit / 1000} seconds`;
    }
    await delay(20);
  }
  const reason = failure ?? (child.killed ? 'a signal has stopped it' : lastLine(await readFile(logFile, 'utf8')));
  if (temporary.test(reason)) throw new Busy(reason);
  throw new StartError(`PostgreSQL in ${cluster.data} does not start: ${reason}`);
}

/**
 * Calls `stop` when a signal ends this process, which then ends by that signal.
 * @param stop sends SIGQUIT, since PostgreSQL may be starting (see `stopPostmaster`); what is committed is on the disk
 * @returns stops listening
 */
function atEndSignals(stop: () => void): () => void {
  const end = (signal: NodeJS.Signals) => {
    leave();
    stop();
    process.kill(process.pid, signal);
  };
  const leave = () => {
    for (const signal of endSignals) process.off(signal, end);
  };
  for (const signal of endSignals) process.on(signal, end);
  return leave;
}

/**
 * Temporary reasons: another process starts PostgreSQL, has emptied the log for that, or took the port; or processes of one that
 * was killed have not ended yet.
 */
const temporary =
  /lock file .* (already exists|is empty)|^no reason given$|any TCP\/IP sockets|^pre-existing shared memory|postmaster exit$/;

const fixedSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  // The log has the reasons why PostgreSQL did not start, not the errors of statements, which are in the answers to them.
  logging_collector: 'off',
  log_min_messages: 'fatal',
  log_min_error_statement: 'panic',
};

/** A port that is free now; another program may take it before PostgreSQL does. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * Stops PostgreSQL, ending all sessions; resolves when the cluster is free.
 * @throws Error if it is still running after that
 */
export async function stopPostmaster(cluster: Cluster, { pid }: Postmaster): Promise<void> {
  // SIGINT waits for ever while PostgreSQL 18 recovers from a crash. After SIGQUIT, the next start recovers.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const deadline = performance.now() + stopLimit;
    for (let isSent = false; (await findPostmaster(cluster))?.pid === pid; isSent = true) {
      if (!isSent) process.kill(pid, signal);
      if (performance.now() > deadline) break;
      await delay(20);
    }
  }
  if ((await findPostmaster(cluster))?.pid === pid) throw new StartError(`PostgreSQL (process ${pid}) does not stop`);
}
