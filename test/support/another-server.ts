import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { type Database, openDatabase } from '../../src/database/client.ts';
import { migrationNames } from '../../src/database/migrate.ts';
import type { Counters } from '../../src/rate-limits/counters.ts';
import type { Quotas } from '../../src/rate-limits/rate-limits.ts';
import type { World } from './world.ts';

interface Options {
  /** Another way to the world's database. */
  readonly databaseUrl?: string;
  readonly connections?: number;
  readonly quotas?: Quotas;
  readonly counters?: Counters;
  /** Told of each statement that goes to the database. */
  readonly onStatement?: (sql: string) => void;
}

/** One more server over a world's database, which ends with the test: for what cannot be done to the world's own. */
export async function openAnotherServer(world: World, options: Options = {}) {
  const { databaseUrl = world.databaseUrl, connections = 10, quotas, counters, onStatement = () => {} } = options;
  const opened = openDatabase({ url: databaseUrl, connections });
  const database: Database = {
    ...opened,
    query(sql, parameters) {
      onStatement(sql);
      return opened.query(sql, parameters);
    },
  };
  const parts = { database, secret: world.secret, migrations: await migrationNames() };
  const limits = { ...(quotas && { quotas }), ...(counters && { counters }) };
  const app = await buildApp({ ...parts, logger: pino({ level: 'silent' }), ...limits });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await app.close();
    await database.close();
  });
  return { app, origin };
}
