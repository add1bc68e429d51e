import { type Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { inTime } from '../http/in-time.ts';
import { timedOut } from '../http/problems.ts';
import type { PoolUse } from '../metrics/meter.ts';
import { limitAnswers } from './answer-limit.ts';
import { isNoPrimary, isUnanswered, toDatabaseError } from './failures.ts';
import { PassingAdapter } from './passing-adapter.ts';
import type { DatabaseState } from './row.schema.ts';
import { applicationName, hasOverdueStatements, stateOf } from './state.ts';
import type { Query } from './statement.ts';
import { statementNames } from './statement-names.ts';
import { TrustedPool } from './trusted-pool.ts';
import { mayWrite, writeGate } from './write-gate.ts';

/** Limits in milliseconds. A request uses the database twice (its key, its agent), within its own `Deadline`. */
const waits = {
  /** The wait for a free or a new connection. */
  connection: 2_000,
  /** One statement, measured by the client: a frozen database does not enforce its own timeouts. */
  statement: 2_200,
  /** A transaction, or a call without the deadline of a request. */
  call: 2_300,
} as const;

/** Runs calls of the typed client; throws like `Query`. */
type TypedCalls<Client> = <Result>(work: (client: Client) => Promise<Result>) => Promise<Result>;

export type TypedTransaction = TypedCalls<Prisma.TransactionClient>;

export interface Database {
  /** Prisma's client. It throws Prisma's errors; for requests, use `typed`. */
  readonly prisma: PrismaClient;
  /** Maximum number of connections. */
  readonly connections: number;
  poolUse(): PoolUse;
  readonly query: Query;
  readonly typed: TypedCalls<PrismaClient>;
  /** Runs work in a transaction; rolls back if it throws. May call the work a second time, after a stale plan. */
  transaction<Result>(work: (query: Query, typed: TypedTransaction) => Promise<Result>): Promise<Result>;
  /** The same for work that only reads: PostgreSQL refuses it a write, so it goes on while writes are refused. */
  readTransaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  /**
   * The names of the applied migrations, and whether the database is read-only, as a standby is. If it is, the open
   * connections are not used again: new ones may lead to the primary.
   */
  state(): Promise<DatabaseState>;
  close(): Promise<void>;
}

interface Options {
  readonly url: string;
  readonly connections: number;
  /** Milliseconds for one statement, measured by the client. The role's `statement_timeout` applies too. */
  readonly statementLimit?: number;
  /** Milliseconds to wait for a free or a new connection. */
  readonly connectionLimit?: number;
  /** Whether statements are prepared by name; false behind transaction poolers that do not support this. */
  readonly preparedStatements?: boolean;
  /** Called with the error of a connection that broke while it was idle. */
  readonly onIdleError?: (error: Error) => void;
}

const readOnly = { text: `SELECT set_config('transaction_read_only', 'on', true)`, values: [] };

/** Opens a pool; connects at the first statement. All statements go through one Prisma client over it. */
export function openDatabase({
  url,
  connections,
  statementLimit = waits.statement,
  connectionLimit = waits.connection,
  preparedStatements = true,
  onIdleError = () => {},
}: Options): Database {
  const gate = writeGate({
    // One connection is left for reads.
    most: Math.max(1, connections - 1),
    wait: connectionLimit,
    hasOverdueStatements: () => hasOverdueStatements(queryOnce),
    onEnd: () => pool.closeUnanswered(),
  });
  const poolConfig = {
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: connectionLimit,
    application_name: applicationName,
    // Otherwise a command whose network is lost at its end would go on until TCP gives up.
    allowExitOnIdle: true,
  };
  const pool = new TrustedPool(poolConfig, gate.suspect);
  pool.on('connect', (client) => limitAnswers(client, statementLimit));
  // Not while it closes: a PostgreSQL that stops may end a connection before it has read that it was closed.
  pool.on('error', (error) => {
    if (!pool.ending) onIdleError(error);
  });
  const names = statementNames();
  const adapter = new PassingAdapter(pool, preparedStatements ? { statementNameGenerator: names.of } : {});
  const prisma = new PrismaClient({
    adapter,
    errorFormat: 'minimal',
    // The time for BEGIN, which waits for a connection, and for all that follows.
    transactionOptions: { maxWait: connectionLimit, timeout: Math.max(waits.call, statementLimit) },
  });

  async function judged<Result>(asked: Promise<Result>): Promise<Result> {
    try {
      return await asked;
    } catch (error) {
      if (isUnanswered(error)) gate.suspect();
      if (isUnanswered(error) || isNoPrimary(error)) pool.distrustAll();
      throw toDatabaseError(error);
    }
  }

  /**
   * "Unsafe" is Prisma's name for a statement that is given as text. Every text is a constant of this program; values are
   * passed as parameters $1, $2 …, so input of a client is never part of the text.
   */
  const queryOn =
    (client: Pick<PrismaClient, '$queryRawUnsafe'>): Query =>
    ({ text, values }) =>
      judged(adapter.passing(values, (all) => client.$queryRawUnsafe<unknown[]>(names.textOf(text), all)));
  const queryOnce = queryOn(prisma);
  const query: Query = ({ text, values }) =>
    names.withFreshPlans(() => {
      const once = () => queryOnce({ text, values });
      return mayWrite(text) ? gate.run(once) : once();
    });

  async function transact<Result>(work: (query: Query, typed: TypedTransaction) => Promise<Result>): Promise<Result> {
    // An error that the work throws is passed on as it is; only errors of BEGIN and COMMIT are converted.
    let thrown: { readonly error: unknown } | undefined;
    const done = prisma.$transaction(async (client) => {
      try {
        return await work(queryOn(client), (calls) => judged(calls(client)));
      } catch (error) {
        thrown = { error };
        throw error;
      }
    });
    return await judged(done).catch((error: unknown) => {
      throw thrown ? thrown.error : error;
    });
  }

  return {
    prisma,
    connections,
    poolUse: () => ({ busy: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    query,
    typed: (work) => judged(work(prisma)),
    transaction: (work) => names.withFreshPlans(() => gate.run(() => transact(work))),
    readTransaction: (work) =>
      names.withFreshPlans(() =>
        transact(async (query) => {
          await query(readOnly);
          return await work(query);
        }),
      ),
    async state() {
      const state = await stateOf(query);
      if (state.isReadOnly) pool.distrustAll();
      return state;
    },
    async close() {
      gate.stop();
      pool.closeUnanswered();
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/**
 * Limits a call without the deadline of a request to 2.3 s: a health check that several requests share, or a part of a
 * response that is being streamed. The statement itself goes on.
 * @throws ApiError DATABASE_UNAVAILABLE after that
 */
export function withinLimit<Result>(call: Promise<Result>): Promise<Result> {
  return inTime(call, waits.call, timedOut);
}
