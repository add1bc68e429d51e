import pg from 'pg';
import { agentFields, fields } from '../agents/fields.ts';
import { withClient, withMigrationLock } from './session.ts';

/** What a session of the server's role has to begin with: old poolers refuse startup options, and a `SET` gets lost. */
export const roleSettings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  statement_timeout: '2s',
  lock_timeout: '1s',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
};

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
 * What the server does, by its statements: it deletes nothing but answers of yesterday, changes no entry of a history or
 * a trail, moves no agent to another company, and leaves keys, grants and companies to the operator.
 */
const serverRights: readonly (readonly [rights: string, tables: string])[] = [
  ['SELECT', '_prisma_migrations, company, integration_company, company_phone_number'],
  ['SELECT, UPDATE (hash, last_used_at)', 'api_key'],
  [
    `SELECT, INSERT, UPDATE (${[...agentFields.map((name) => fields[name].column), 'version', 'updated_at', 'deleted_at'].join(', ')})`,
    'agent',
  ],
  ['SELECT, INSERT', 'agent_version'],
  ['INSERT', 'audit_entry'],
  ['SELECT, INSERT, DELETE', 'idempotency_key'],
];

/** SQLSTATE: only superusers, and some that may make roles, give settings to others. */
const insufficientPrivilege = '42501';

/** Gives a role, by default the one of the connection, its settings for this database. */
export async function writeRoleSettings(client: pg.ClientBase, role?: string): Promise<void> {
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
