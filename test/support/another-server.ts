import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { KeySecrets } from '../../src/api-keys/api-key.ts';
import { buildApp } from '../../src/app.ts';
import { openDatabase } from '../../src/database/client.ts';
import { migrationNames } from '../../src/database/migrate.ts';
import { logOptions } from '../../src/logger.ts';
import type { World } from './world.ts';

interface Options extends Partial<KeySecrets> {
  /** Another way to the world's database. */
  readonly databaseUrl?: string;
  readonly connections?: number;
  readonly trustedProxies?: readonly string[];
  /** The address to listen on. */
  readonly host?: string;
}

/** One more server over a world's database, which ends with the test: for what cannot be done to the world's own. */
export async function openAnotherServer(world: World, options: Options = {}) {
  const {
    secret = world.secret,
    previousSecret,
    databaseUrl,
    connections = 10,
    trustedProxies = [],
    host = '127.0.0.1',
  } = options;
  const database = openDatabase({ url: databaseUrl ?? world.databaseUrl, connections });
  const parts = { database, secret, previousSecret, migrations: await migrationNames(), trustedProxies };
  const app = await buildApp({ ...parts, logger: pino(logOptions('info'), world.log) });
  const origin = await app.listen({ host, port: 0 });
  onTestFinished(async () => {
    await app.close();
    await database.close();
  });
  return { app, origin };
}
