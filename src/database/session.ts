import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { StartError } from '../start-error.ts';
import { connectionReasonOf } from './reasons.ts';
import { migrationSession } from './settings.ts';

/** Held by the process that changes a database; others wait for it. Prisma Migrate has a lock of its own, but gives up. */
const migrationLock = '7214839, 3';

/**
 * A session lock: a process that dies gives it back. Whoever has to wait asks again: `CREATE INDEX CONCURRENTLY` waits for
 * every statement that began before it, and a statement that waits for the lock would wait for the index in turn.
 * @param onWait called once where another process holds the lock
 */
export function withMigrationLock<Result>(
  url: string,
  task: (client: pg.Client) => Promise<Result>,
  onWait: () => void = () => {},
): Promise<Result> {
  return withClient(url, async (client) => {
    await client.query(migrationSession);
    if (!(await tryLock(client))) {
      onWait();
      do await setTimeout(200);
      while (!(await tryLock(client)));
    }
    return await task(client);
  });
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`SELECT pg_try_advisory_lock(${migrationLock}) AS locked`);
  return rows[0]?.locked === true;
}

/**
 * Runs a task on a connection of its own.
 * @throws StartError when the database cannot be reached, or the connection breaks
 */
export async function withClient<Result>(url: string, task: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = await connect(url);
  let isBroken = false;
  client.on('error', () => {
    isBroken = true;
  });
  try {
    return await task(client);
  } catch (error) {
    if (!isBroken || error instanceof StartError) throw error;
    throw new StartError('the connection to the database broke: try again once it answers', { cause: error });
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  try {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    await client.connect();
    return client;
  } catch (error) {
    throw new StartError(`the database cannot be reached: ${reasonOf(error)}`, { cause: error });
  }
}

/** Of OpenSSL, for a certificate that no known authority has signed. */
const unknownAuthority =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;

/** Where a name stands for several addresses, there is one error for each and none that says anything for all. */
function reasonOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const isUnknown =
    first instanceof Error && 'code' in first && typeof first.code === 'string' && unknownAuthority.test(first.code);
  if (isUnknown)
    return `${first.message}: name the file of its certificate authority in DATABASE_URL, as sslrootcert=/path/to/ca.pem`;
  return connectionReasonOf(first) ?? (first instanceof Error ? first.message : String(first));
}
