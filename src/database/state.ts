import { type DatabaseState, databaseIdSchema, overdueSchema, stateSchema } from './row.schema.ts';
import { onlyRow, rowsOf } from './rows.ts';
import type { Query } from './statement.ts';

/** The `application_name` of the connections of a server's pool, unless DATABASE_URL has another. */
export const applicationName = 'interview-agents-api';

const statesOf = rowsOf(stateSchema);
const overdueOf = rowsOf(overdueSchema);
const idsOf = rowsOf(databaseIdSchema);

/** The names of the applied migrations, and whether the database is read-only. Raw: no model of Prisma's client has these. */
export async function stateOf(query: Query): Promise<DatabaseState> {
  const text = `
    SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly",
           ARRAY(SELECT migration_name FROM _prisma_migrations
                  WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL) AS migrations`;
  return onlyRow(statesOf(await query({ text, values: [] })));
}

/** SQL for the name of a session, without the address of a client that PgBouncer may have added. */
const nameOf = (session: string) => `regexp_replace(${session}.application_name, ' - [^ ]*$', '')`;

/**
 * Whether a statement of a server, of this process or another one, still runs after its time limit: `statement_timeout` does not
 * end a commit. PostgreSQL shows a role what the sessions of the same role do. The sessions of servers have the
 * `application_name` of the session that asks, as `pg_stat_activity` shows it: cut, if it is long. With
 * `application_name_add_host`, PgBouncer adds the client's address and port, which differ and may be cut.
 *
 * A session that waits for its client does not count. No time limit ends that wait either, as after the machine of a server was
 * lost, but it is no commit: a commit waits for a standby (IPC), a disk (IO) or another session's write (LWLock).
 */
export async function hasOverdueStatements(query: Query): Promise<boolean> {
  const text = `
    SELECT EXISTS (SELECT FROM pg_stat_activity a JOIN pg_stat_activity own USING (datname, usename)
                    WHERE own.pid = pg_backend_pid() AND a.state = 'active'
                      AND a.wait_event_type IS DISTINCT FROM 'Client'
                      AND ${nameOf('a')} = ${nameOf('own')}
                      AND a.query_start < statement_timestamp() - current_setting('statement_timeout')::interval) AS overdue`;
  return onlyRow(overdueOf(await query({ text, values: [] }))).overdue;
}

/**
 * Identifies a database, the same for all servers that use it: the system identifier of the PostgreSQL cluster and the OID
 * of the database. Not a secret.
 */
export async function databaseId(query: Query): Promise<string> {
  const text = `SELECT c.system_identifier || '-' || d.oid AS id
               FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`;
  return onlyRow(idsOf(await query({ text, values: [] }))).id;
}
