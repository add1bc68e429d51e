import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { KeySecrets } from '../../src/auth/api-key.ts';
import type { Counters } from '../../src/auth/counters.ts';
import type { Quotas } from '../../src/auth/rate-limits.ts';
import type { Database } from '../../src/database/client.ts';
import { migrationNames } from '../../src/database/migrate.ts';
import type { Query } from '../../src/database/statement.ts';
import type { Meter } from '../../src/metrics/meter.ts';
import { logOptions } from '../../src/process/log-options.ts';
import type { Tracing } from '../../src/tracing/spans.ts';
import { buildLimited, openLimited, type TimeLimits } from './time-limits.ts';
import type { World } from './world.ts';

interface Options extends Partial<KeySecrets> {
  /** Another URL of the world's database. */
  readonly databaseUrl?: string;
  readonly connections?: number;
  /** Milliseconds to wait for a connection; by default that of the limits. */
  readonly connectionLimit?: number;
  readonly quotas?: Quotas;
  readonly counters?: Counters;
  /** Called with each statement and its values before it is sent to the database, which waits for what it returns. */
  readonly onStatement?: (sql: string, values: readonly unknown[]) => unknown;
  readonly trustedProxies?: readonly string[];
  readonly keepAliveSeconds?: number;
  readonly publicUrl?: string;
  readonly meter?: Meter;
  readonly tracing?: Tracing;
  readonly onChange?: () => void;
  readonly logLevel?: string;
  /** Names of the migrations that the server requires; by default those of the repository. */
  readonly migrations?: readonly string[];
  /** The address to listen on. */
  readonly host?: string;
  /** By default those of the world. */
  readonly limits?: TimeLimits;
  /** Milliseconds within which a request is answered; by default that of the limits. */
  readonly longestRequest?: number;
}

/**
 * Another server on a world's database, with options that the world's own server does not have.
 * @param whenDone when it is closed: with the test or, with `afterAll`, with the file
 */
export async function openAnotherServer(world: World, options: Options = {}, whenDone = onTestFinished) {
  const { databaseUrl = world.databaseUrl, connections = 10, host = '127.0.0.1', onStatement = () => {} } = options;
  const { secret = world.secret, previousSecret, trustedProxies = [], keepAliveSeconds, longestRequest } = options;
  const { quotas, counters, meter, tracing, publicUrl, onChange, logLevel = 'info', limits = world.limits } = options;
  const opened = openLimited(limits, databaseUrl, connections, options.connectionLimit);
  const observed =
    (query: Query): Query =>
    async (statement) => {
      await onStatement(statement.text, statement.values);
      return await query(statement);
    };
  const database: Database = {
    ...opened,
    query: observed(opened.query),
    transaction: (work) => opened.transaction((query, typed) => work(observed(query), typed)),
  };
  const parts = { database, secret, previousSecret, migrations: options.migrations ?? (await migrationNames()) };
  const settings = {
    trustedProxies,
    keepAliveSeconds,
    publicUrl,
    tracing,
    ...(quotas && { quotas }),
    ...(counters && { counters }),
    ...(meter && { meter }),
    ...(onChange && { onChange }),
    ...(longestRequest !== undefined && { longestRequest }),
  };
  const app = await buildLimited(limits, { ...parts, logger: pino(logOptions(logLevel), world.log), ...settings });
  const origin = await app.listen({ host, port: 0 });
  whenDone(async () => {
    await app.close();
    await database.close();
  });
  return { app, origin, database };
}
