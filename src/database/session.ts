import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { StartError } from '../errors.ts';
import { limitAnswers } from './answer-limit.ts';
import { isUnanswered } from './failures.ts';
import { connectionReasonOf } from './reasons.ts';
import { answerSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';
import { meaningSettings, migrationSession, refuseOldVersion, refuseOptions } from './settings.ts';

/** The advisory lock of the process that migrates. Prisma Migrate has its own lock, but waits 10 s for it at most. */
const migrationLock = '7214839, 3';

/** How a connection is opened. Both limits are in milliseconds. */
interface Options {
  /** Until the connection is open, and until it is closed; by default 10,000. */
  readonly connectionTimeoutMillis?: number;
  /** Until a statement is answered; 0 for no limit, by default 10,000. */
  readonly statementLimit?: number;
  /** For `pg_stat_activity`, unless the URL has another. */
  readonly application_name?: string;
}

const limit = 10_000;

/**
 * Runs a task under the migration lock, a session lock that ends with the connection. Waits by trying again every 200 ms:
 * a statement that blocks on the lock would deadlock with `CREATE INDEX CONCURRENTLY` of the process that holds it, which
 * waits for all statements that began before.
 * @param onWait called once if another process holds the lock
 * @param statementLimit milliseconds until each statement of the connection is answered; 0 for no limit
 * @throws StartError if PostgreSQL is too old, or the URL or PGOPTIONS sets what the tables depend on otherwise; what
 * `withClient` throws
 */
export function withMigrationLock<Result>(
  url: string,
  task: (client: pg.Client) => Promise<Result>,
  onWait: () => void = () => {},
  statementLimit = 0,
): Promise<Result> {
  const locked = async (client: pg.Client) => {
    await refuseOldVersion(client);
    await refuseOptions(client, meaningSettings);
    await client.query(migrationSession);
    if (!(await tryLock(client))) {
      onWait();
      do await setTimeout(200);
      while (!(await tryLock(client)));
    }
    return await task(client);
  };
  return withClient(url, locked, { statementLimit });
}

const answersIn = rowsOf(answerSchema);

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(`SELECT pg_try_advisory_lock(${migrationLock}) AS answer`);
  return answersIn(rows)[0]?.answer === true;
}

/**
 * Runs a task on a connection of its own. Statements have a limit because a pooler may keep one for a database that is gone.
 * @throws StartError if the database cannot be reached or does not answer, or the connection breaks; what the task throws
 */
export async function withClient<Result>(
  url: string,
  task: (client: pg.Client) => Promise<Result>,
  { statementLimit = limit, ...options }: Options = {},
): Promise<Result> {
  const limits = { connectionTimeoutMillis: limit, ...options };
  const client = await connect({ connectionString: url, ...limits });
  limitAnswers(client, statementLimit);
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
    // Without a limit, a network that is lost now would hold up the caller until TCP gives up, after minutes. A socket that is
    // still open then would hold up the end of the program as long.
    await Promise.race([client.end(), setTimeout(limits.connectionTimeoutMillis, undefined, { ref: false })]);
    client.connection.stream.destroy();
  }
}

async function connect(config: pg.ClientConfig): Promise<pg.Client> {
  try {
    const client = new pg.Client(config);
    await client.connect();
    return client;
  } catch (error) {
    throw new StartError(connectionReasonOf(error), { cause: error });
  }
}
