import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Database, withinLimit } from '../database/client.ts';
import { databaseUnavailable } from '../errors.ts';
import { getLiveness, getReadiness } from './openapi.ts';

interface Options {
  readonly database: Database;
  /** Names of the migrations that the database must hold. */
  readonly migrations: readonly string[];
}

/** For load balancers and orchestrators: no key needed. */
export const healthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { database, migrations }) => {
  app.get('/health/live', { schema: { ...getLiveness } }, async () => ({ status: 'ok' }));

  app.get('/health/ready', { schema: { ...getReadiness } }, async () => {
    if (app.draining()) throw databaseUnavailable(new Error('shutting down'));
    const applied = await withinLimit(database.appliedMigrations());
    const pending = migrations.filter((migration) => !applied.includes(migration));
    if (pending.length > 0) throw databaseUnavailable(new Error(`pending migrations: ${pending.join(', ')}`));
    return { status: 'ok' };
  });
};
