import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { StartError } from '../start-error.ts';
import { applyMigrations } from './schema-engine.ts';
import { writeRoleSettings } from './server-role.ts';
import { withClient, withMigrationLock } from './session.ts';

/** From `src/database` as from `dist/database`. */
const ourMigrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** The names of all migrations of this release, in order: each is a folder whose name begins with its time. */
export async function migrationNames(folder = ourMigrations): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * The names of the migrations that a database lacks, in order; changes nothing, and needs no more than SELECT on the
 * table `_prisma_migrations`. What a later release has begun or finished there is its own affair.
 * @throws StartError when a migration of this release began and did not finish, or the database cannot be reached
 */
export function pendingMigrations(url: string, folder = ourMigrations): Promise<string[]> {
  return withClient(url, (client) => namesMissing(client, folder));
}

async function namesMissing(client: pg.ClientBase, folder: string): Promise<string[]> {
  const names = await migrationNames(folder);
  const recorded = await recordedMigrations(client);
  const broken = recorded.find(({ name, finished }) => !finished && names.includes(name));
  if (broken) throw new StartError(howToGoOn(broken.name));
  const applied = new Set(recorded.map(({ name }) => name));
  return names.filter((name) => !applied.has(name));
}

/** Prisma's own command for this needs an engine that is not installed. */
function howToGoOn(name: string): string {
  const row = `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = ${pg.escapeLiteral(name)}`;
  return `the migration ${name} failed, or is being applied right now: once its cause is gone, run ${row} and migrate again`;
}

interface RecordedMigration {
  readonly name: string;
  readonly finished: boolean;
}

async function recordedMigrations(client: pg.ClientBase): Promise<RecordedMigration[]> {
  const table = await client.query("SELECT FROM pg_class WHERE oid = to_regclass('_prisma_migrations')");
  if (table.rowCount === 0) return [];
  const { rows } = await client.query<RecordedMigration>(
    'SELECT migration_name AS name, finished_at IS NOT NULL AS finished FROM _prisma_migrations WHERE rolled_back_at IS NULL',
  );
  return rows;
}

/**
 * Applies the migrations that a database lacks, then gives the role of the URL its settings. Several processes may do so at once.
 * @returns the names of the migrations it applied, in order
 * @throws StartError when a migration fails, or failed earlier, or the database cannot be reached
 */
export function migrate(url: string, folder = ourMigrations): Promise<string[]> {
  return withMigrationLock(url, async (client) => {
    const isBehind = (await namesMissing(client, folder)).length > 0;
    const applied = isBehind ? await applyMigrations(url, folder, await migrationNames(folder)) : [];
    await writeRoleSettings(client);
    return applied;
  });
}
