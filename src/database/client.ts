import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { databaseUnavailable } from '../http/problems.ts';
import type { PoolUse } from '../metrics/meter.ts';
import { isStalePlan, isUnanswered, toDatabaseError } from './failures.ts';
import { rowsOf } from './rows.ts';
import { type DatabaseState, stateSchema } from './schema.ts';
import { statementNames } from './statement-names.ts';
import { TrustedPool } from './trusted-pool.ts';

/** Limits in milliseconds. A request asks the database twice (its key, its agent) and has its own limit (`Deadline`). */
const waits = {
  /** For a free connection, or a new one. */
  connection: 2_000,
  /** For one statement, measured here too: a database that is frozen cannot keep its own limits. */
  statement: 2_200,
  /** For a transaction, and for a call that belongs to no request. */
  call: 2_300,
} as const;

/** Runs one statement. Throws ApiError DATABASE_UNAVAILABLE when the database is to blame; the rest is our fault. */
export type Query = <Row>(sql: string, parameters: readonly unknown[]) => Promise<Row[]>;

export interface Database {
  /** Prisma's client, whose errors are its own: in the way of a request, use it through `typed`. */
  readonly prisma: PrismaClient;
  /** How many connections there are at most. */
  readonly connections: number;
  poolUse(): PoolUse;
  readonly query: Query;
  /** Runs calls of the typed client; throws like `query`. */
  typed<Result>(work: (prisma: PrismaClient) => Promise<Result>): Promise<Result>;
  /** Runs statements together or not at all. Rolls back when the work throws. May run the work a second time. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  /** Names of the migrations that the database holds, and whether it takes no writes, as a standby does. */
  state(): Promise<DatabaseState>;
  close(): Promise<void>;
}

interface Options {
  readonly url: string;
  /** Connections at most. */
  readonly connections: number;
  /** Milliseconds for one statement, measured here; PostgreSQL's own limit for the role holds beside it. */
  readonly statementLimit?: number;
  /** Milliseconds for a free connection, or a new one. */
  readonly connectionLimit?: number;
  /** Named prepared statements: off behind transaction poolers that do not know them. */
  readonly preparedStatements?: boolean;
  /** Told of connections that broke while nobody used them. */
  readonly onIdleError?: (error: Error) => void;
}

const statesOf = rowsOf(stateSchema);

/** Opens a pool; connects at the first statement. All statements go through one Prisma client over it. */
export function openDatabase({
  url,
  connections,
  statementLimit = waits.statement,
  connectionLimit = waits.connection,
  preparedStatements = true,
  onIdleError = () => {},
}: Options): Database {
  const pool = new TrustedPool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: connectionLimit,
    query_timeout: statementLimit,
    application_name: 'interview-agents-api',
  });
  pool.on('error', onIdleError);
  const names = statementNames();
  const adapter = new PrismaPg(pool, preparedStatements ? { statementNameGenerator: names.of } : {});
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
      if (isUnanswered(error)) pool.distrustAll();
      throw toDatabaseError(error);
    }
  }

  /**
   * Raw statements by their text: it is a constant of ours, whose values go beside it as $1, $2 …, so nothing that a
   * client sent is ever part of it.
   */
  const queryOn =
    (client: Pick<PrismaClient, '$queryRawUnsafe'>): Query =>
    <Row>(sql: string, values: readonly unknown[]) =>
      judged(client.$queryRawUnsafe<Row[]>(names.textOf(sql), ...values));
  const askOnce = queryOn(prisma);
  const query: Query = (sql, values) => withFreshPlans(() => askOnce(sql, values));

  /**
   * Runs work once more where a plan was stale: PostgreSQL refused its statement before it did anything, and rolled back
   * the transaction that it was in.
   */
  async function withFreshPlans<Result>(work: () => Promise<Result>): Promise<Result> {
    const { generation } = names;
    try {
      return await work();
    } catch (error) {
      if (!isStalePlan(error)) throw error;
      names.renew(generation);
      return await work();
    }
  }

  async function transact<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    // What the work throws is no error of BEGIN or COMMIT, and passes as it is.
    let thrown: { readonly error: unknown } | undefined;
    const done = prisma.$transaction(async (client) => {
      try {
        return await work(queryOn(client));
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
    poolUse: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    query,
    typed: (work) => judged(work(prisma)),
    transaction: (work) => withFreshPlans(() => transact(work)),
    async state() {
      // Raw: the table is Prisma Migrate's own, and no model of the client.
      const sql = `
        SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly",
               ARRAY(SELECT migration_name FROM _prisma_migrations
                      WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL) AS migrations`;
      const [state] = statesOf(await query(sql, []));
      if (!state) throw new Error('the database told no state');
      return state;
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/**
 * Answers a call in time that no deadline of a request bounds: a check that several share, or a part of a response that is
 * being sent. What was asked of the database goes on.
 */
export function withinLimit<Result>(call: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const end = () => reject(databaseUnavailable(new Error('no answer in time')));
    const timer = setTimeout(end, waits.call);
    call.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
