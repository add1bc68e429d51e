import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { ApiError, databaseUnavailable } from '../http/problems.ts';
import type { PoolUse } from '../metrics/meter.ts';
import { rowsOf } from './rows.ts';
import { migrationSchema } from './schema.ts';
import { trusted } from './trusted.ts';

/** Limits in milliseconds. A request asks the database twice (its key, its agent) and is answered within 5 seconds. */
const waits = {
  /** For a free connection, or a new one. */
  connection: 2_000,
  /** For one statement, measured here too: a database that is frozen cannot keep its own limits. */
  statement: 2_200,
  /** For all that one call of a repository asks, waits for connections and repetitions included. */
  call: 2_300,
} as const;

/** Runs one statement. Throws ApiError DATABASE_UNAVAILABLE when the database is to blame; the rest is our fault. */
export type Query = <Row>(sql: string, parameters: readonly unknown[]) => Promise<Row[]>;

export interface Database {
  /** For what is not in the way of a request: the operator's command line. */
  readonly prisma: PrismaClient;
  /** How many connections there are at most. */
  readonly connections: number;
  poolUse(): PoolUse;
  readonly query: Query;
  /** Runs calls of the typed client; throws like `query`. */
  typed<Result>(work: (prisma: PrismaClient) => Promise<Result>): Promise<Result>;
  /** Runs statements on one connection, each for itself. The connection is closed when the work throws. */
  session<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  /** Runs statements together or not at all. Rolls back when the work throws. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  /** Names of the migrations that the database holds. */
  appliedMigrations(): Promise<string[]>;
  close(): Promise<void>;
}

interface Options {
  readonly url: string;
  /** Connections at most. */
  readonly connections: number;
  /** Milliseconds for one statement, measured here; PostgreSQL's own limit for the role holds beside it. */
  readonly statementLimit?: number;
  /** Named prepared statements: off behind transaction poolers that do not know them. */
  readonly preparedStatements?: boolean;
  /** Told of connections that broke while nobody used them. */
  readonly onIdleError?: (error: Error) => void;
}

const migrationsOf = rowsOf(migrationSchema);

/** Opens a pool; connects at the first statement. */
export function openDatabase({
  url,
  connections,
  statementLimit = waits.statement,
  preparedStatements = true,
  onIdleError = () => {},
}: Options): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: waits.connection,
    query_timeout: statementLimit,
    application_name: 'interview-agents-api',
  });
  pool.on('error', onIdleError);
  const { connect, distrust } = trusted(pool);
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool), errorFormat: 'minimal' });
  const nameOf = preparedStatements ? nameStatements() : () => undefined;

  // Statements in the way of requests go to the pool itself: Prisma would add processor time to each.
  const queryOn = (client: pg.PoolClient): Query => {
    return async <Row>(sql: string, values: readonly unknown[]) => {
      const name = nameOf(sql);
      const asked = client.query({ text: sql, values: [...values], ...(name && { name }) });
      const { rows } = await blaming(asked.catch(distrust));
      const found: Row[] = rows;
      return found;
    };
  };

  /** Runs a task on a connection, which is closed where it failed: that takes back all that was not committed. */
  async function withConnection<Result>(task: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await blaming(connect());
    let isDone = false;
    try {
      const result = await task(client);
      isDone = true;
      return result;
    } finally {
      client.release(!isDone);
    }
  }

  const session: Database['session'] = (work) => withConnection((client) => work(queryOn(client)));
  return {
    prisma,
    connections,
    poolUse: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    query: (sql, parameters) => session((query) => query(sql, parameters)),
    typed: (work) => blaming(work(prisma)),
    session,
    transaction: (work) =>
      withConnection(async (client) => {
        await blaming(client.query('BEGIN').catch(distrust));
        const result = await work(queryOn(client));
        await blaming(client.query('COMMIT').catch(distrust));
        return result;
      }),
    async appliedMigrations() {
      // Raw: the table is Prisma Migrate's own, and no model of the client.
      const sql =
        'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL';
      return migrationsOf(await session((query) => query(sql, []))).map(({ name }) => name);
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/**
 * Answers a call in time, whatever the database does; what was asked of it goes on and may still be saved.
 * @param onLimit told when the time is over, so that what has not begun need not begin
 */
export function withinLimit<Result>(call: Promise<Result>, onLimit = () => {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onLimit();
      reject(databaseUnavailable(new Error('no answer in time')));
    }, waits.call);
    call.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}

/** Tells the errors that the database is to blame for from ours. */
async function blaming<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked;
  } catch (error) {
    throw ourClasses.test(sqlState(error) ?? '') ? error : databaseUnavailable(error);
  }
}

/** Classes of SQLSTATE that tell of a wrong statement or value: data, constraint, syntax or access. */
const ourClasses = /^(0A|21|22|23|26|2F|42|44|P0)/;

/** The SQLSTATE that PostgreSQL reported; undefined when it reported nothing, as when the connection broke. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

/**
 * What keeps a statement from putting its key into a unique index: another has it there, or (`isHeld`) is putting it
 * there and did not end in time. The statement was undone. Undefined for any other error.
 * @param index its name
 */
export function conflictOver(error: unknown, index: string): { readonly isHeld: boolean; cause: unknown } | undefined {
  const cause = error instanceof ApiError ? error.cause : error;
  if (!(cause instanceof pg.DatabaseError)) return undefined;
  if (cause.code === '23505' && cause.constraint === index) return { isHeld: false, cause };
  // The place where it waited is told in PostgreSQL's own language, the name of the index in none.
  return cause.code === '55P03' && cause.where?.includes(index) ? { isHeld: true, cause } : undefined;
}

/**
 * One name for each statement text, so that PostgreSQL plans it once for each connection. It stands for the text alone, in
 * every process: where a pooler lends a session to several, none may run the statement of another in place of its own.
 */
function nameStatements(): (sql: string) => string {
  const names = new Map<string, string>();
  return (sql) => {
    const name = names.get(sql) ?? `s_${createHash('sha256').update(sql).digest('hex').slice(0, 32)}`;
    names.set(sql, name);
    return name;
  };
}
