import pg from 'pg';
import { StartError } from '../start-error.ts';
import { answerSchema, nameSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';
import { withMigrationLock } from './session.ts';
import { roleSettings } from './settings.ts';

const answersIn = rowsOf(answerSchema);
const namesIn = rowsOf(nameSchema);

/** The rights of a role on each table; it has none on other tables. */
export type Rights = Readonly<Record<string, TableRights>>;

interface TableRights {
  readonly select?: true;
  readonly insert?: true;
  readonly delete?: true;
  /** The columns that it may update. */
  readonly update?: readonly string[];
}

/** Sets the settings of a role, by default that of the URL, for this database. They apply to sessions that begin later. */
export function setRoleSettings(url: string, role?: string): Promise<void> {
  return withMigrationLock(url, (client) => writeRoleSettings(client, role));
}

/**
 * Gives a role exactly the rights that the server needs on this database, and revokes all others on its tables. Sets its
 * settings too, if the owner has the privilege; otherwise the role must run `migrate` itself to set them.
 * @param url of the role that owns the tables
 * @param rights that the server needs
 * @returns whether the settings were set
 * @throws StartError if the role owns one of these tables, is a member of a role that does, or is a superuser; nothing was
 * changed then
 */
export function admitServerRole(url: string, role: string, rights: Rights): Promise<boolean> {
  return withMigrationLock(url, async (client) => {
    await refuseOwner(client, role, Object.keys(rights));
    const name = pg.escapeIdentifier(role);
    await client.query(`
      GRANT CONNECT ON DATABASE ${await databaseName(client)} TO ${name};
      GRANT USAGE ON SCHEMA public TO ${name};
      REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${name};
      ${Object.entries(rights)
        .map(([table, granted]) => grantOn(table, granted, name))
        .join('\n')}
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

/** An owner would lose its own rights, and neither rights nor triggers bind its members and superusers. */
async function refuseOwner(client: pg.ClientBase, role: string, tables: readonly string[]): Promise<void> {
  // True for the owner itself and for superusers too.
  const { rows } = await client.query(
    `SELECT bool_or(pg_has_role($1::name, relowner, 'MEMBER')) AS answer FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relname = ANY($2)`,
    [role, tables],
  );
  if (answersIn(rows)[0]?.answer !== true) return;
  throw new StartError(
    `the role ${role} owns the tables, is a member of a role that does, or is a superuser: name a role for the server that owns nothing (no rights were changed)`,
  );
}

function grantOn(table: string, { select, insert, delete: remove, update = [] }: TableRights, role: string): string {
  const columns = update.map((column) => pg.escapeIdentifier(column)).join(', ');
  const granted = [
    ...(select ? ['SELECT'] : []),
    ...(insert ? ['INSERT'] : []),
    ...(remove ? ['DELETE'] : []),
    ...(update.length > 0 ? [`UPDATE (${columns})`] : []),
  ];
  return `GRANT ${granted.join(', ')} ON ${pg.escapeIdentifier(table)} TO ${role};`;
}

/** SQLSTATE: only superusers, and some roles with CREATEROLE, can change the settings of others. */
const insufficientPrivilege = '42501';

/** Sets the settings of a role, by default that of the connection, for this database. */
export async function writeRoleSettings(client: pg.ClientBase, role?: string): Promise<void> {
  const name = role === undefined ? 'CURRENT_USER' : pg.escapeIdentifier(role);
  const database = await databaseName(client);
  for (const [setting, value] of Object.entries(roleSettings)) {
    await client.query(`ALTER ROLE ${name} IN DATABASE ${database} SET ${setting} = ${pg.escapeLiteral(value)}`);
  }
}

async function databaseName(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query('SELECT quote_ident(current_database()) AS name');
  return namesIn(rows)[0]?.name ?? '';
}

/** Whether the role of a connection has the privileges of the role that made the tables, as superusers have. */
export async function ownsTables(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query(
    "SELECT pg_has_role(relowner, 'USAGE') AS answer FROM pg_class WHERE oid = 'public._prisma_migrations'::regclass",
  );
  return answersIn(rows)[0]?.answer === true;
}
