import pg from 'pg';

/** How values are read and written, which table a name means, and how transactions work. */
const meanings = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  bytea_output: 'hex',
  extra_float_digits: '1',
  array_nulls: 'on',
  row_security: 'on',
  // It would put the search_path of a role in quotes.
  quote_all_identifiers: 'off',
  search_path: 'public',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
};

/** Without these, a statement could read or write something wrong. All that the operator's command line needs. */
export const meaningSettings: Readonly<Record<string, string>> = meanings;

/** What a session of the server's role has to begin with: old poolers refuse startup options, and a `SET` gets lost. */
export const roleSettings: Readonly<Record<string, string>> = {
  ...meanings,
  statement_timeout: '2s',
  lock_timeout: '1s',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
};

/** What belongs to the database, or to superusers alone, so that `npm run migrate` cannot set it. */
export const givenSettings: Readonly<Record<string, string>> = {
  server_encoding: 'UTF8',
  session_replication_role: 'origin',
};

/**
 * For a session that migrates: what its role may lack, and no limits, since a migration, or the wait for one, may take long.
 */
export const migrationSession = Object.entries({ ...meanings, statement_timeout: '0', lock_timeout: '0' })
  .map(([name, value]) => `SET ${name} = ${pg.escapeLiteral(value)}`)
  .join('; ');

/**
 * What a session that has just begun lacks, as `lock_timeout is 0, expected 1s`; nothing when all is well.
 * @param client on which nothing was set
 */
export async function lackingSettings(
  client: pg.ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { rows } = await client.query<{ name: string; value: string }>(
    'SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name',
    [Object.keys(settings)],
  );
  return rows
    .filter(({ name, value }) => value !== settings[name])
    .map(({ name, value }) => `${name} is ${value}, expected ${settings[name]}`);
}

/** Sentences about settings with which a crash of PostgreSQL loses changes that were answered. */
export async function durabilityRisks(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM unnest('{synchronous_commit,fsync,full_page_writes}'::text[]) AS name WHERE current_setting(name) = 'off'`,
  );
  return rows.map(({ name }) => `${name} is off: when PostgreSQL crashes, changes that were answered can be lost`);
}
