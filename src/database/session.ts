import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { StartError } from '../errors.ts';
import { isUnanswered } from './failures.ts';
import { connectionReasonOf } from './reasons.ts';
import { answerSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';
import { meaningSettings, migrationSession, refuseOptions } from './settings.ts';

/** The advisory lock of the process that migrates. Prisma Migrate has its own lock, but waits 10 s for it at most. */
const migrationLock = '7214839, 3';

/** Milliseconds until a connection is open, and until a statement is answered. */
const limit = 10_000;

/**
 * Runs a task under the migration lock, a session lock that ends with the connection. Waits by trying again every 200 ms:
 * a statement that blocks on the lock would deadlock with `CREATE INDEX CONCURRENTLY` of the process that holds it, which
 * waits for all statements that began before.
 * @param onWait called once if another process holds the lock
 * @param statementLimit milliseconds until each statement of the connection is answered; 0 for no limit
 * @throws StartError if the URL or PGOPTIONS sets what the tables depend on otherwise; what `withClient` throws
 */
export function withMigrationLock<Result>(
  url: string,
  task: (client: pg.Client) => Promise<Result>,
  onWait: () => void = () => {},
  statementLimit = 0,
): Promise<Result> {
  const locked = async (client: pg.Client) => {
    await refuseOptions(client, meaningSettings);
    await client.query(migrationSession);
    if (!(await tryLock(client))) {
      onWait();
      do await setTimeout(200);
      while (!(await tryLock(client)));
    }
    return await task(client);
  };
  return withClient(url, locked, statementLimit);
}

const answersIn = rowsOf(answerSchema);

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(`SELECT pg_try_advisory_lock(${migrationLock}) AS answer`);
  return answersIn(rows)[0]?.answer === true;
}

/**
 * Runs a task on a connection of its own.
 * @param statementLimit milliseconds until each statement is answered; 0 for no limit. A start needs one: a pooler may keep a
 *   statement for a database that is gone
 * @throws StartError if the database cannot be reached or does not answer, or the connection breaks; what the task throws
 */
export async function withClient<Result>(
  url: string,
  task: (client: pg.Client) => Promise<Result>,
  statementLimit = limit,
): Promise<Result> {
  const client = await connect(url, statementLimit);
  let isBroken = false;
  client.on('error', () => {
    isBroken = true;
  });
  try {
    return await task(client);
  } catch (error) {
    if (isUnanswered(error)) {
      throw new StartError('the database did not answer in time: try again once it answers', { cause: error });
    }
    if (!isBroken || error instanceof StartError) throw error;
    throw new StartError('the connection to the database broke: try again once it answers', { cause: error });
  } finally {
    await client.end();
  }
}

async function connect(url: string, statementLimit: number): Promise<pg.Client> {
  try {
    const limits = { connectionTimeoutMillis: limit, query_timeout: statementLimit };
    const client = new pg.Client({ connectionString: url, ...limits });
    await client.connect();
    return client;
  } catch (error) {
    throw new StartError(connectionReasonOf(error), { cause: error });
  }
}
