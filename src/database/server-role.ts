import pg from 'pg';
import { StartError } from '../errors.ts';
import { answerSchema, nameSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';
import { withMigrationLock } from './session.ts';
import { roleSettings } from './settings.ts';

const answersIn = rowsOf(answerSchema);
const namesIn = rowsOf(nameSchema);

/** The rights of a role on each table, as GRANT names them: `SELECT`, `UPDATE (name)`. It has none on other tables. */
export type Rights = Readonly<Record<string, readonly string[]>>;

/**
 * Gives a role exactly the rights that the server needs on this database, and revokes all others on its tables. Sets its
 * settings too, if the owner has the privilege; otherwise the role must run `migrate` itself to set them.
 * @param url of the role that owns the tables
 * @param rights that the server needs
 * @returns whether the settings were set
 * @throws StartError if the role owns one of these tables, is a member of a role that does, or is a superuser, or has more
 * rights by PUBLIC or another role; nothing was changed then
 */
export function admitServerRole(url: string, role: string, rights: Rights): Promise<boolean> {
  return withMigrationLock(url, async (client) => {
    const tables = Object.keys(rights);
    await refuseOwner(client, role, tables);
    const name = pg.escapeIdentifier(role);
    await client.query(`
      BEGIN;
      GRANT CONNECT ON DATABASE ${await databaseName(client)} TO ${name};
      GRANT USAGE ON SCHEMA public TO ${name};
      REVOKE ALL ON ${await ownersRelations(client, tables)} FROM ${name};
      ${Object.entries(rights)
        .map(([table, granted]) => `GRANT ${granted.join(', ')} ON ${table} TO ${name};`)
        .join('\n')}
    `);
    const functions = await ownerFunctions(client, tables);
    for (const called of functions) await client.query(`REVOKE EXECUTE ON FUNCTION ${called} FROM PUBLIC, ${name}`);
    await refuseMore(client, role, rights, functions);
    await client.query('COMMIT');
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
 * Refuses an owner of the tables, its members and superusers: the owner would lose its own rights, and neither rights nor
 * triggers bind the others.
 */
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

/** SQL condition on `pg_class`: a relation in the schema whose owner owns one of these tables. */
const isOurs = (tables: readonly string[]) => `relnamespace = 'public'::regnamespace AND relowner IN (
  SELECT relowner FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relname IN (${tables.map(pg.escapeLiteral).join(', ')}))`;

/** The tables, views and sequences of the owner, as SQL. `REVOKE … ON ALL TABLES` fails on those of others, such as an extension's. */
async function ownersRelations(client: pg.ClientBase, tables: readonly string[]): Promise<string> {
  const { rows } = await client.query(
    `SELECT string_agg(oid::regclass::text, ', ') AS name
       FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${isOurs(tables)}`,
  );
  return namesIn(rows)[0]?.name ?? '';
}

/** The functions of triggers that run as their owner. `pg_restore --no-privileges` lets everybody call them. */
async function ownerFunctions(client: pg.ClientBase, tables: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT p.oid::regprocedure::text AS name
       FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid JOIN pg_class c ON c.oid = t.tgrelid
      WHERE p.prosecdef AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1)`,
    [tables],
  );
  return rows.map(({ name }) => name);
}

/**
 * Refuses a role that may do more than `rights`, through PUBLIC or another role: that cannot be revoked from the role itself.
 * With CREATE in the schema, it could put its own functions in the place of those that the triggers call.
 */
async function refuseMore(client: pg.ClientBase, role: string, rights: Rights, functions: string[]): Promise<void> {
  const needed = Object.entries(rights).flatMap(([table, granted]) => granted.map((right) => `${right} ON ${table}`));
  // Rights of roles that it is a member of count even if it does not inherit them: `SET ROLE` gives it those.
  const { rows } = await client.query<{ more: string | null }>(
    `WITH actor AS (SELECT oid FROM pg_roles WHERE pg_has_role($1::name, oid, 'MEMBER')),
          owned AS (SELECT oid, relname, relkind FROM pg_class WHERE ${isOurs(Object.keys(rights))}),
          ours AS (SELECT * FROM owned WHERE relkind = 'r'),
          kinds AS (SELECT unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS kind
                    UNION SELECT 'MAINTAIN' WHERE current_setting('server_version_num')::int >= 170000)
     SELECT string_agg(r, ', ' ORDER BY r) AS more FROM (
       SELECT 'CREATE ON SCHEMA public' FROM actor WHERE has_schema_privilege(actor.oid, 'public', 'CREATE')
       UNION
       SELECT 'EXECUTE ON FUNCTION ' || called FROM actor, unnest($3::text[]) AS called
        WHERE has_function_privilege(actor.oid, called, 'EXECUTE')
       UNION
       SELECT kind || ' ON ' || relname
         FROM actor, ours, kinds
        WHERE has_table_privilege(actor.oid, ours.oid, kind)
       UNION
       SELECT kind || ' ON SEQUENCE ' || relname FROM actor, owned, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS kind
        WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege(actor.oid, owned.oid, kind) END
       UNION
       SELECT format('%s (%s) ON %s', kind, attname, relname)
         FROM actor, ours JOIN pg_attribute ON attrelid = ours.oid, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS kind
        WHERE has_column_privilege(actor.oid, ours.oid, attnum, kind) AND NOT has_table_privilege(actor.oid, ours.oid, kind)
          AND kind || ' ON ' || relname <> ALL($2)
     ) AS rights(r) WHERE r <> ALL($2)`,
    [role, needed, functions],
  );
  const more = rows[0]?.more;
  if (!more) return;
  throw new StartError(
    `the role ${role} may do more than the server does, through PUBLIC or another role: revoke there ${more} (no rights were changed)`,
  );
}

/** SQLSTATE: only superusers, and some roles with CREATEROLE, can change the settings of others. */
const insufficientPrivilege = '42501';

/**
 * Sets the settings of a role, by default the one that has logged in, for this database. They apply to sessions that begin later.
 */
export async function writeRoleSettings(client: pg.ClientBase, role?: string): Promise<void> {
  const name = role === undefined ? 'CURRENT_USER' : pg.escapeIdentifier(role);
  const database = await databaseName(client);
  const changes = Object.entries(roleSettings).map(
    ([setting, value]) => `ALTER ROLE ${name} IN DATABASE ${database} SET ${setting} = ${pg.escapeLiteral(value)}`,
  );
  // At a login, PostgreSQL applies the settings of the role that logs in, even if its setting `role` has it act as another one.
  const asLogin = role === undefined ? ['SET LOCAL ROLE NONE'] : [];
  // Statements of one message are one transaction.
  await client.query([...asLogin, ...changes].join('; '));
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
