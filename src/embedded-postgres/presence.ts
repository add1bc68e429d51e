import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { StartError } from '../start-error.ts';
import type { Cluster } from './cluster.ts';
import { errorCode } from './home.ts';

/** The server is alone on its cluster; of operators there may be many. */
export type Part = 'server' | 'operator';

/** Advisory locks in the database `postgres`; a process holds them on one connection, so that its death frees them. */
const locks = {
  /** Held by the one server of a cluster. */
  server: '7214839, 1',
  /** Shared by everybody who uses PostgreSQL; whoever has it alone may stop it. */
  inUse: '7214839, 2',
} as const;

/** How the connections that hold the locks are called, for whoever looks at PostgreSQL's sessions. */
const presenceName = 'interview-agents-api: presence of';

/** Milliseconds during which the locks of a server that was just killed may outlive it. */
const afterlife = 2_000;

export class WrongPassword extends StartError {}

/** A process among those that use a PostgreSQL. */
export interface Presence {
  /** Runs a statement in the database `postgres`. */
  query(sql: string, parameters?: readonly unknown[]): Promise<pg.QueryResult>;
  /** Whether other processes use this PostgreSQL too, or are about to begin or to end. */
  hasCompany(): Promise<boolean>;
  /** Ends the presence; if it was the last one, runs `farewell` before anybody else can be present. */
  end(farewell: () => Promise<void>): Promise<void>;
}

/**
 * Makes this process one of those that use a PostgreSQL.
 * @throws StartError when another server is there; WrongPassword; or an error of which isCutOff is true, when
 *   PostgreSQL stopped meanwhile
 */
export async function bePresent(cluster: Cluster, port: number, as: Part): Promise<Presence> {
  let client = await connectAndLock(cluster, port, as);
  let ended = false;

  // A crash of one of its processes makes PostgreSQL cut off all sessions and go on; without the locks, the next
  // operator who leaves would stop it under this process.
  const comeBack = async (): Promise<void> => {
    while (!ended) {
      await delay(500, undefined, { ref: false });
      const next = await connectAndLock(cluster, port, as).catch(() => undefined);
      if (next === undefined) continue;
      if (ended) return await disconnect(next);
      client = next;
      client.once('end', comeBack);
      return;
    }
  };
  client.once('end', comeBack);

  return {
    query: (sql, parameters = []) => client.query(sql, [...parameters]),
    hasCompany: () => hasOtherPresences(client),
    async end(farewell) {
      ended = true;
      try {
        await client.query(`SELECT pg_advisory_unlock_shared(${locks.inUse})`);
        if (await tryLock(client, locks.inUse)) await farewell();
      } catch (error) {
        if (!isCutOff(error)) throw error;
      } finally {
        await disconnect(client);
      }
    },
  };
}

async function connectAndLock(cluster: Cluster, port: number, as: Part): Promise<pg.Client> {
  const client = await connect(cluster, port);
  try {
    if (as === 'server') await claimServer(client, cluster);
    await client.query(`SELECT pg_advisory_lock_shared(${locks.inUse})`);
    return client;
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

async function connect({ home, directory }: Cluster, port: number): Promise<pg.Client> {
  const { password, passwordFile } = home;
  const application_name = `${presenceName} ${process.pid}`;
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database: 'postgres',
    application_name,
  });
  // A connection that breaks while it is idle; its end, or the next query, is handled.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await disconnect(client);
    if (errorCode(error) !== '28P01') throw error;
    throw new WrongPassword(
      `the password in ${passwordFile} does not open the cluster in ${directory}: ` +
        'put the file back, or delete that cluster to begin anew',
    );
  }
}

async function claimServer(client: pg.Client, { home }: Cluster): Promise<void> {
  const deadline = Date.now() + afterlife;
  while (!(await tryLock(client, locks.server))) {
    if (Date.now() > deadline) {
      throw new StartError(
        `DATA_DIR ${home.dataDir} is in use by a running server: stop that one, or name another DATA_DIR`,
      );
    }
    await delay(50);
  }
}

async function tryLock(client: pg.Client, lock: string): Promise<boolean> {
  const { rows } = await client.query<{ got: boolean }>(`SELECT pg_try_advisory_lock(${lock}) AS got`);
  return rows[0]?.got === true;
}

async function hasOtherPresences(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND starts_with(application_name, $1)',
    [presenceName],
  );
  return rowCount !== 0;
}

async function disconnect(client: pg.Client): Promise<void> {
  await client.end().catch(() => {});
}

/** Whether an error says that PostgreSQL stops, or has stopped, or is not ready yet. */
export function isCutOff(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = errorCode(error) ?? '';
  if (/^(57P0[1-3]|ECONNREFUSED|ECONNRESET|EPIPE)$/.test(code)) return true;
  return /^Connection terminated|^Client (has encountered a connection error|was closed)/.test(error.message);
}
