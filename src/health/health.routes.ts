import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { type Database, withinLimit } from '../database/client.ts';
import { databaseUnavailable } from '../errors.ts';

interface Options {
  readonly database: Database;
  /** Names of the migrations that the database must hold. */
  readonly migrations: readonly string[];
}

const appliedSql = `
  SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;

const healthy = { response: { 200: Type.Object({ status: Type.String({ examples: ['ok'] }) }) } };

/** For load balancers and orchestrators: no key needed. */
export const healthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { database, migrations }) => {
  app.get('/health/live', { schema: healthy }, async () => ({ status: 'ok' }));

  app.get('/health/ready', { schema: healthy }, async () => {
    if (app.draining()) throw databaseUnavailable(new Error('shutting down'));
    const applied = await withinLimit(database.query<{ name: string }>(appliedSql, []));
    const pending = migrations.filter((migration) => !applied.some(({ name }) => name === migration));
    if (pending.length > 0) throw databaseUnavailable(new Error(`pending migrations: ${pending.join(', ')}`));
    return { status: 'ok' };
  });
};
