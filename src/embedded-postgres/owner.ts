import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { limitAnswers } from '../database/answer-limit.ts';
import { answerSchema, nameSchema } from '../database/row.schema.ts';
import { rowsOf } from '../database/rows.ts';
import { hasCode, StartError } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { Busy } from './postmaster.ts';

/**
 * What a process opens the embedded database for. The server keeps PostgreSQL running and stops it at its end; a command
 * of the operator uses the server's, or starts PostgreSQL for as long as the command takes.
 */
export type Role = 'server' | 'operator';

/**
 * An advisory lock in the database `postgres`; it ends with the process that has it. Exclusive: its owner stops PostgreSQL
 * at its end. Shared: a command that uses a PostgreSQL without an owner, and leaves it running.
 */
const lock = '7214839, 1';

/** Milliseconds until a connection is open, and until a statement is answered. */
const limit = 10_000;

/**
 * Opens a connection to the database `postgres`; other processes read role and process id in its `application_name`.
 * @param statementLimit milliseconds until each statement is answered; 0 for no limit
 * @throws Busy if it takes more than ten seconds, or what has the port is no PostgreSQL; StartError if the password is wrong
 */
export async function connect(cluster: Cluster, port: number, role: Role, statementLimit = limit): Promise<pg.Client> {
  const { password, passwordFile } = cluster;
  const target = { host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres', ssl: false };
  const client = new pg.Client({
    ...target,
    connectionTimeoutMillis: limit,
    application_name: `${role} ${process.pid}`,
  });
  limitAnswers(client, statementLimit);
  // Without a listener, an idle connection that breaks would end the process. Its `end` or the next query is handled.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await disconnect(client);
    if (isOfOther(error)) throw new Busy('what its postmaster.pid names does not answer as PostgreSQL does');
    if (!hasCode(error, '28P01')) throw error;
    throw new StartError(
      `the password in ${passwordFile} does not open the cluster in ${cluster.data}: ` +
        'put the file back, or delete that cluster to begin anew',
    );
  }
}

/**
 * Whether a connection failed as it does where another program has the port: it says nothing, closes the connection, or sends
 * what PostgreSQL never does. PostgreSQL itself says why it refuses a connection, except in the moment in which it ends.
 */
function isOfOther(error: unknown): boolean {
  if (hasCode(error, 'ECONNRESET', 'EPIPE')) return true;
  const messages = /^(timeout expired|Connection terminated|received invalid response)/;
  return error instanceof Error && messages.test(error.message);
}

export async function disconnect(client: pg.Client): Promise<void> {
  await client.end().catch(() => {});
}

const answersIn = rowsOf(answerSchema);
const namesIn = rowsOf(nameSchema);

/**
 * A cluster that is copied while its PostgreSQL runs has the `postmaster.pid` of the original. Only PostgreSQL knows its data
 * directory for certain, as that may have been moved, or have two paths: it is asked whether it has a file of a new name.
 * @param pid of PostgreSQL
 * @throws StartError if the cluster is a copy: whoever means the copy would change the database of the original
 */
export async function refuseCopy(client: pg.Client, { dataDir, data }: Cluster, pid: number): Promise<void> {
  const name = `copy-check-${randomUUID()}`;
  const file = join(data, name);
  await writeFile(file, '');
  const { rows } = await client
    .query(`SELECT current_setting('data_directory') AS name WHERE (pg_stat_file($1, true)).size IS NULL`, [name])
    .finally(() => rm(file));
  const [original] = namesIn(rows);
  if (original === undefined) return;
  throw new StartError(
    `DATA_DIR ${dataDir} is a copy of one whose PostgreSQL (process ${pid}) was started in ${original.name}: ` +
      'stop the server there, or that process if there is none, and copy it again',
  );
}

export async function tryToLock(client: pg.Client, mode: 'exclusive' | 'shared'): Promise<boolean> {
  const take = mode === 'exclusive' ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
  const { rows } = await client.query(`SELECT ${take}(${lock}) AS answer`);
  return answersIn(rows)[0]?.answer === true;
}

/** The process that has the lock exclusively. */
export async function findOwner(client: pg.Client): Promise<{ role: string; pid: number } | undefined> {
  const { rows } = await client.query(
    `SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND (classid, objid) = (${lock})`,
  );
  const [role, pid] = namesIn(rows)[0]?.name.split(' ') ?? [];
  return role === undefined ? undefined : { role, pid: Number(pid) };
}

/**
 * Takes the exclusive lock again when it is lost: a crash inside PostgreSQL ends all sessions with their locks, not the owner.
 * @param client has the lock
 * @returns when PostgreSQL has ended
 */
export async function keepLock(
  client: pg.Client,
  reconnect: () => Promise<pg.Client>,
  isRunning: () => Promise<boolean>,
): Promise<void> {
  await new Promise((resolve) => client.once('end', resolve));
  do {
    await delay(50, undefined, { ref: false });
    const next = await reconnect().catch(() => undefined);
    if (next === undefined) continue;
    next.query(`SELECT pg_advisory_lock(${lock})`).catch(() => {});
    return await keepLock(next, reconnect, isRunning);
  } while (await isRunning());
}

/** Whether an error says that PostgreSQL stops, has stopped, is not ready yet, or does not answer. */
export function isCutOff(error: unknown): error is Error {
  if (hasCode(error, '57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE')) return true;
  const lost = /^Connection terminated|^Query read timeout|^Client (has encountered a connection error|was closed)/;
  return error instanceof Error && lost.test(error.message);
}
