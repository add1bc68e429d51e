import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { hasCode, StartError } from '../errors.ts';
import { inDataDir } from '../process/data-dir.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { connect, disconnect, findOwner, isCutOff, keepLock, type Role, refuseCopy, tryToLock } from './owner.ts';
import {
  Busy,
  findPostmaster,
  isAlive,
  type Postmaster,
  type StartedPostmaster,
  startPostmaster,
  stopPostmaster,
} from './postmaster.ts';

/** A PostgreSQL that this project brings and runs, for development. */
export interface EmbeddedDatabase {
  /** The application's database, `postgresql://…` with its password. */
  readonly url: string;
  /** Sentences to print at the start: what was found, and where the data is. */
  readonly notes: readonly string[];
  /** Rejects with a StartError when PostgreSQL has ended; undefined if this process does not own it. */
  readonly ended?: Promise<never>;
  /**
   * Stops PostgreSQL if this process owns it. Connections to `url` are to be closed before.
   * @throws StartError if PostgreSQL does not stop. A caller that closes because of an error throws that error instead: a disk
   *   that stands still causes both
   */
  close(): Promise<void>;
}

const database = 'interview_agents';

/** Milliseconds to wait while PostgreSQL starts or stops, or while a command of the operator owns it. */
const waitLimit = 60_000;

/**
 * Opens the PostgreSQL of a directory: makes its cluster the first time, starts it unless it runs, and makes the
 * application's database. A server owns its PostgreSQL. A command of the operator uses the PostgreSQL that runs; if none
 * does, it starts and owns one, and other processes wait until the command has closed.
 * @param dataDir absolute, or relative to the working directory; made when missing
 * @throws StartError when another server uses the directory, it is a copy of one whose PostgreSQL runs, or it or PostgreSQL
 * cannot be used
 */
export function openEmbedded(dataDir: string, role: Role): Promise<EmbeddedDatabase> {
  const absolute = resolve(dataDir);
  return inDataDir(absolute, () => openIn(absolute, role));
}

async function openIn(dataDir: string, role: Role): Promise<EmbeddedDatabase> {
  // `pg` would take settings from these that the URL does not have: a TLS mode, session options, a replication mode.
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name];
  const cluster = await openCluster(dataDir);
  let deadline = performance.now() + waitLimit;
  let started: StartedPostmaster | undefined;
  let isRefused = false;
  // Until this process has a lock, the owner may stop PostgreSQL at any moment: then try again from the beginning.
  for (;;) {
    const isLast = performance.now() > deadline;
    try {
      // If it refuses connections, `postmaster.pid` is from before a crash, and another program has its process id now.
      let postmaster = isRefused ? undefined : await findPostmaster(cluster);
      if (postmaster === undefined) {
        postmaster = started = await startPostmaster(cluster, role === 'server');
        // The start may have waited for a recovery for longer than a minute: begin the minute again.
        if (performance.now() > deadline) deadline = performance.now() + waitLimit;
      }
      // At the last try, connect even if it is not ready: only an answer shows whether PostgreSQL recovers or the file is old.
      if (!postmaster.isReady && !isLast) throw new Busy('it starts or stops');
      return await use(cluster, postmaster, role, started);
    } catch (error) {
      if (!(error instanceof Busy || isCutOff(error))) {
        if (started && !(error instanceof InUse)) await stopPostmaster(cluster, started).catch(() => {});
        throw error;
      }
      isRefused = hasCode(error, 'ECONNREFUSED');
      if (isLast) {
        // The remedy has a condition: without the file, a PostgreSQL that runs there would end.
        const mayBeOld = isRefused || error.message.includes('postmaster.pid');
        const remedy = mayBeOld ? 'if no PostgreSQL runs there, delete its postmaster.pid' : 'try again later';
        const reason = `${hasCode(error, '57P03') ? 'it recovers from a crash or stops: ' : ''}${error.message}`;
        throw new StartError(`PostgreSQL in ${cluster.data} cannot be used (${reason}): ${remedy}`);
      }
      await delay(50);
    }
  }
}

class InUse extends StartError {}

/**
 * Makes the application's database in a running PostgreSQL, and takes the lock: as its owner, or to use it.
 * @param started the PostgreSQL that this process has started, if any
 * @throws Busy while a command of the operator owns it; InUse if a server owns it and this is a server too; StartError if it is
 *   that of another DATA_DIR
 */
async function use(
  cluster: Cluster,
  postmaster: Postmaster,
  role: Role,
  started: StartedPostmaster | undefined,
): Promise<EmbeddedDatabase> {
  const isOurs = postmaster.pid === started?.pid;
  const client = await connect(cluster, postmaster.port, role);
  const url = `postgresql://postgres:${cluster.password}@127.0.0.1:${postmaster.port}/${database}?sslmode=disable`;
  try {
    if (!isOurs) await refuseCopy(client, cluster, postmaster.pid);
    await createDatabase(client);
    const isOwner = role === 'server' || isOurs;
    const isLocked = await tryToLock(client, isOwner ? 'exclusive' : 'shared');
    if (!isLocked) await waitForOwner(client, cluster, role, started);
    if (!isLocked || !isOwner) return { url, notes: cluster.notes, close: () => disconnect(client) };
  } catch (error) {
    await disconnect(client);
    throw error;
  }
  // A file that cannot be read, as for lack of descriptors, does not say that it has ended.
  const isRunning = async () => (await findPostmaster(cluster).catch(() => postmaster))?.pid === postmaster.pid;
  // Without a limit for statements, since it waits for the lock.
  const reconnect = () => connect(cluster, postmaster.port, role, 0);
  const ended = keepLock(client, reconnect, isRunning).then(() => {
    throw new StartError(`PostgreSQL in ${cluster.data} has ended: start the server again`);
  });
  // A command meets the end in its next statement.
  ended.catch(() => {});
  const notes = isOurs ? [] : [`adopted the PostgreSQL that was left running in ${cluster.data}`];
  return {
    url,
    notes: [...cluster.notes, ...notes],
    ended,
    close: () => stopPostmaster(cluster, postmaster),
  };
}

/**
 * Returns if this is a command of the operator and the owner is a server, whose PostgreSQL it uses. What this process has
 * started belongs to the owner then.
 * @throws Busy if the owner is a command; InUse if both are servers
 */
async function waitForOwner(
  client: pg.Client,
  { dataDir }: Cluster,
  role: Role,
  started: StartedPostmaster | undefined,
): Promise<void> {
  const owner = await findOwner(client);
  if (owner) started?.handOver();
  // The lock of an owner that was killed is released in a moment.
  if (owner?.role !== 'server' || !isAlive(owner.pid)) throw new Busy('a command of the operator uses it');
  if (role === 'operator') return;
  throw new InUse(`DATA_DIR ${dataDir} is in use by a running server: stop that one, or name another DATA_DIR`);
}

async function createDatabase(client: pg.Client): Promise<void> {
  try {
    await client.query(`CREATE DATABASE ${database}`);
  } catch (error) {
    // It exists, or another process makes it.
    if (!hasCode(error, '42P04', '23505', '55006')) throw error;
  }
}
