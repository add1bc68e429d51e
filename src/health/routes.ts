import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Database, withinLimit } from '../database/client.ts';
import { isDatabaseError } from '../database/failures.ts';
import { databaseUnavailable } from '../http/problems.ts';
import { getLiveness, getReadiness } from './openapi.ts';

interface Options {
  readonly database: Database;
  /** Names of the migrations that must be applied to the database. */
  readonly migrations: readonly string[];
}

/** For load balancers and orchestrators: no key needed. */
export const healthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { database, migrations }) => {
  app.get('/health/live', { config: { isProbe: true }, schema: { ...getLiveness } }, async () => ({ status: 'ok' }));

  /** The running check; concurrent requests share its result. */
  let checking: Promise<void> | undefined;
  const check = () => {
    checking ??= checkState(database, migrations).finally(() => {
      checking = undefined;
    });
    return checking;
  };
  app.get('/health/ready', { config: { isProbe: true }, schema: { ...getReadiness } }, async () => {
    if (app.draining()) throw databaseUnavailable(new Error('shutting down'));
    await check();
    return { status: 'ok' };
  });
};

/** @throws ApiError 503 while the database cannot be asked, is read-only, or lacks a migration */
async function checkState(database: Database, migrations: readonly string[]): Promise<void> {
  const { isReadOnly, migrations: applied } = await withinLimit(database.state()).catch((error: unknown) => {
    // Without the table of the migrations, or the right to read it, as while a backup is restored.
    throw isDatabaseError(error) ? databaseUnavailable(error) : error;
  });
  if (isReadOnly) throw databaseUnavailable(new Error('the database is read-only'));
  const pending = migrations.filter((migration) => !applied.includes(migration));
  if (pending.length > 0) throw databaseUnavailable(new Error(`pending migrations: ${pending.join(', ')}`));
}
