import pg from 'pg';
import { StartError } from '../errors.ts';
import { nameSchema, settingSchema } from './row.schema.ts';
import { rowsOf } from './rows.ts';

const namesIn = rowsOf(nameSchema);
const settingsIn = rowsOf(settingSchema);

/**
 * Settings that change how values are read and written, which table a name means, and how transactions work: without
 * these, statements could read or write wrong values. The command line needs only these.
 */
export const meaningSettings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  bytea_output: 'hex',
  extra_float_digits: '1',
  array_nulls: 'on',
  row_security: 'on',
  // `on` would put the search_path of a role in quotes.
  quote_all_identifiers: 'off',
  search_path: 'public',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
};

/**
 * Settings of the server's role, set by ALTER ROLE: old poolers refuse startup options, and behind a pooler a `SET` is lost.
 */
export const roleSettings: Readonly<Record<string, string>> = {
  ...meaningSettings,
  statement_timeout: '2s',
  lock_timeout: '1s',
  // A server whose machine or network is lost between two statements of a transaction would hold its locks until TCP gives up,
  // after hours. Its own transactions end sooner (`openDatabase`). During a statement, limits of TCP do the same. They are not
  // here because they read 0 on a Unix socket, and would break off a slow dump: docs/operate.md gives them to the servers' role.
  idle_in_transaction_session_timeout: '10s',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
};

/** Settings that only a superuser or the creator of the database can change, so that `npm run migrate` only checks them. */
export const givenSettings: Readonly<Record<string, string>> = {
  server_encoding: 'UTF8',
  session_replication_role: 'origin',
};

/** The oldest major version of PostgreSQL that is tested. */
const oldestVersion = 15;

/** @throws StartError if PostgreSQL is too old; a version later than those that are tested is accepted */
export async function refuseOldVersion(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query(
    `SELECT current_setting('server_version') AS name WHERE current_setting('server_version_num')::int < ${oldestVersion}0000`,
  );
  const [old] = namesIn(rows);
  if (!old) return;
  throw new StartError(`the database is a PostgreSQL ${old.name}, and this program needs ${oldestVersion} or later`);
}

/** Has PostgreSQL end a statement whose client is gone, as after a kill. On some systems, such as Windows, it cannot. */
const endWithClient = `DO $$ BEGIN
  SET client_connection_check_interval = '500ms';
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END $$`;

/**
 * The settings of a session that migrates: no timeouts, since migrations can take long, and a name by which servers of the same
 * role do not take it for one of theirs (`hasOverdueStatements`).
 */
const migrationSettings = {
  ...meaningSettings,
  ...{ statement_timeout: '0', lock_timeout: '0', application_name: 'interview-agents-api migrate' },
};

/** SET commands for a session that migrates. */
export const migrationSession = [
  ...Object.entries(migrationSettings).map(([name, value]) => `SET ${name} = ${pg.escapeLiteral(value)}`),
  endWithClient,
].join('; ');

/** The settings that differ in a new session, in their order here. */
async function differingSettings(client: pg.ClientBase, settings: Readonly<Record<string, string>>) {
  const { rows } = await client.query(
    `SELECT name, current_setting(name) AS value, source
       FROM unnest($1::text[]) WITH ORDINALITY AS expected(name, place) JOIN pg_settings USING (name) ORDER BY place`,
    [Object.keys(settings)],
  );
  return settingsIn(rows).filter(({ name, value }) => value !== settings[name]);
}

/**
 * The settings that differ in a new session, as sentences like `lock_timeout is 0, expected 1s`.
 * @param client a connection on which nothing was set yet
 */
export async function lackingSettings(
  client: pg.ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<string[]> {
  const differing = await differingSettings(client, settings);
  return differing.map(({ name, value }) => `${name} is ${value}, expected ${settings[name]}`);
}

/**
 * Refuses a session to which the client has given other settings: they override those of the role, so that `npm run migrate`
 * could put the tables into one schema, and the server look for them in another.
 * @param client a connection on which nothing was set yet
 * @param settings those that the program needs, beside `givenSettings`
 * @throws StartError that names them
 */
export async function refuseOptions(
  client: pg.ClientBase,
  settings: Readonly<Record<string, string>> = roleSettings,
): Promise<void> {
  const differing = await differingSettings(client, { ...settings, ...givenSettings });
  const names = differing.filter(({ source }) => source === 'client').map(({ name }) => name);
  if (names.length === 0) return;
  throw new StartError(`options in DATABASE_URL, or PGOPTIONS, sets ${names.join(', ')}: leave that out`);
}

/** Sentences about settings with which a crash of PostgreSQL can lose acknowledged changes. */
export async function durabilityRisks(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query(
    `SELECT name FROM unnest('{synchronous_commit,fsync,full_page_writes}'::text[]) AS name WHERE current_setting(name) = 'off'`,
  );
  return namesIn(rows).map(
    ({ name }) => `${name} is off: when PostgreSQL crashes, changes that were answered can be lost`,
  );
}
