import { PrismaPg } from '@prisma/adapter-pg';
import { isDriverAdapterError } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { ApiError, databaseUnavailable } from '../errors.ts';
import { Prisma, PrismaClient } from '../generated/prisma/client.ts';

/** Limits in milliseconds. A request asks the database twice (its key, its agent) and is answered within 5 seconds. */
export const waits = {
  /** For a free connection, or a new one. */
  connection: 2_000,
  /** For one statement, measured here too: a database that is frozen cannot keep its own limits. */
  statement: 2_200,
  /** For all that one call of a repository asks, waits for connections and repetitions included. */
  call: 2_300,
} as const;

export interface Database {
  /** For what is not in the way of a request: the operator's command line. */
  readonly prisma: PrismaClient;
  /**
   * Runs one statement.
   * @throws ApiError DATABASE_UNAVAILABLE when the database is to blame; anything else is a fault of ours
   */
  query<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]>;
  /** Names of the migrations that the database holds. */
  appliedMigrations(): Promise<string[]>;
  close(): Promise<void>;
}

interface Options {
  readonly url: string;
  /** Connections at most. */
  readonly connections: number;
  /** Told of connections that broke while nobody used them. */
  readonly onIdleError?: (error: Error) => void;
}

/** Opens a pool; connects at the first statement. */
export function openDatabase({ url, connections, onIdleError = () => {} }: Options): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: waits.connection,
    query_timeout: waits.statement,
    application_name: 'interview-agents-api',
  });
  const adapter = new PrismaPg(pool, { onPoolError: onIdleError, onConnectionError: onIdleError });
  const prisma = new PrismaClient({ adapter, errorFormat: 'minimal' });
  async function query<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    try {
      return await prisma.$queryRawUnsafe<Row[]>(sql, ...parameters);
    } catch (error) {
      throw isOurFault(error) ? error : databaseUnavailable(error);
    }
  }
  return {
    prisma,
    query,
    async appliedMigrations() {
      const sql =
        'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL';
      return (await query<{ name: string }>(sql, [])).map(({ name }) => name);
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/** Answers a call in time, whatever the database does; what was asked of it goes on and may still be saved. */
export function withinLimit<Result>(call: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(databaseUnavailable(new Error('no answer in time'))), waits.call);
  });
  return Promise.race([call, limit]).finally(() => clearTimeout(timer));
}

/** Classes of SQLSTATE that tell of a wrong statement or value: data, constraint, syntax or access. */
const ourClasses = /^(0A|21|22|23|26|2F|42|44|P0)/;

function isOurFault(error: unknown): boolean {
  return error instanceof ApiError || ourClasses.test(sqlState(error) ?? '');
}

/** The SQLSTATE that PostgreSQL reported; undefined when it reported nothing, as when the connection broke. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  const report: unknown = error.meta?.['driverAdapterError'];
  return isDriverAdapterError(report) && 'originalCode' in report.cause ? report.cause.originalCode : undefined;
}
