import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { columnOf } from '../agents/agent.row.ts';
import { agentFields } from '../agents/agent.schema.ts';
import { StartError } from '../start-error.ts';
import { applyMigrations, withoutLimits } from './schema-engine.ts';

/** From `src/database` as from `dist/database`. */
const ourMigrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** Held by the process that changes a database; others wait for it. Prisma Migrate has a lock of its own, but gives up. */
const migrationLock = '7214839, 3';

/** What a session of the server's role has to begin with: old poolers refuse startup options, and a `SET` gets lost. */
export const roleSettings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  statement_timeout: '2s',
  lock_timeout: '1s',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
};

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
 * table `_prisma_migrations`.
 * @throws StartError when a migration began and did not finish, or the database cannot be reached
 */
export function pendingMigrations(url: string, folder = ourMigrations): Promise<string[]> {
  return withClient(url, (client) => namesMissing(client, folder));
}

async function namesMissing(client: pg.ClientBase, folder: string): Promise<string[]> {
  const recorded = await recordedMigrations(client);
  const broken = recorded.find((migration) => !migration.finished);
  if (broken) throw new StartError(howToGoOn(broken.name));
  const applied = new Set(recorded.map((migration) => migration.name));
  return (await migrationNames(folder)).filter((name) => !applied.has(name));
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

/** Gives a role, by default that of the URL, its settings for this database; sessions that begin later have them. */
export function setRoleSettings(url: string, role?: string): Promise<void> {
  return withMigrationLock(url, (client) => writeRoleSettings(client, role));
}

/**
 * Lets a role that owns nothing run the server on this database and do nothing else, whatever it could do before; and
 * gives it its settings where the owner may: else the role must give itself its settings, by a `migrate` of its own.
 * @param url of the role that owns the tables
 * @returns whether the role has its settings
 */
export function admitServerRole(url: string, role: string): Promise<boolean> {
  return withMigrationLock(url, async (client) => {
    const name = pg.escapeIdentifier(role);
    await client.query(`
      GRANT CONNECT ON DATABASE ${await databaseName(client)} TO ${name};
      GRANT USAGE ON SCHEMA public TO ${name};
      REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${name};
      ${serverRights.map(([rights, tables]) => `GRANT ${rights} ON ${tables} TO ${name};`).join('\n')}
    `);
    try {
      await writeRoleSettings(client, role);
      return true;
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === insufficientPrivilege) return false;
      throw error;
    }
  });
}

/**
 * What the server does, by its statements: it deletes nothing, changes no entry of a history or a trail, moves no agent
 * to another company, and leaves keys, grants and companies to the operator.
 */
const serverRights: readonly (readonly [rights: string, tables: string])[] = [
  ['SELECT', '_prisma_migrations, company, integration_company, company_phone_number'],
  ['SELECT, UPDATE (hash, last_used_at)', 'api_key'],
  [
    `SELECT, INSERT, UPDATE (${[...agentFields.map(columnOf), 'version', 'updated_at', 'deleted_at'].join(', ')})`,
    'agent',
  ],
  ['SELECT, INSERT', 'agent_version'],
  ['INSERT', 'audit_entry'],
];

/** SQLSTATE: only superusers, and some that may make roles, give settings to others. */
const insufficientPrivilege = '42501';

async function writeRoleSettings(client: pg.ClientBase, role?: string): Promise<void> {
  const name = role === undefined ? 'CURRENT_USER' : pg.escapeIdentifier(role);
  const database = await databaseName(client);
  for (const [setting, value] of Object.entries(roleSettings)) {
    await client.query(`ALTER ROLE ${name} IN DATABASE ${database} SET ${setting} = ${pg.escapeLiteral(value)}`);
  }
}

async function databaseName(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT quote_ident(current_database()) AS name');
  return rows[0]?.name ?? '';
}

/**
 * What a session that has just begun lacks, as `lock_timeout is 0, expected 1s`; nothing when all is well.
 * @param from a connection on which nothing was set, or a URL to open one
 */
export async function missingRoleSettings(from: string | pg.ClientBase): Promise<string[]> {
  if (typeof from === 'string') return await withClient(from, missingRoleSettings);
  const { rows } = await from.query<{ name: string; value: string }>(
    'SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name',
    [Object.keys(roleSettings)],
  );
  return rows
    .filter(({ name, value }) => value !== roleSettings[name])
    .map(({ name, value }) => `${name} is ${value}, expected ${roleSettings[name]}`);
}

/** A session lock: a process that dies gives it back. */
function withMigrationLock<Result>(url: string, task: (client: pg.Client) => Promise<Result>): Promise<Result> {
  return withClient(url, async (client) => {
    await client.query(withoutLimits);
    await client.query(`SELECT pg_advisory_lock(${migrationLock})`);
    return await task(client);
  });
}

async function withClient<Result>(url: string, task: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = await connect(url);
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  try {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    // A connection that breaks while the task does something else: its next query tells.
    client.on('error', () => {});
    await client.connect();
    return client;
  } catch (error) {
    throw new StartError(`the database cannot be reached: ${reasonOf(error)}`, { cause: error });
  }
}

/** Where a name stands for several addresses, there is one error for each and none that says anything for all. */
function reasonOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}
