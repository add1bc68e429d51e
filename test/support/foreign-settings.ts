import { run } from './connection.ts';

/** Settings that databases and roles of operators can have. The last one forbids setting another role. */
export const foreignSettings: Readonly<Record<string, string>> = {
  // These two have no effect: `pg` sets the encoding of each connection itself.
  client_encoding: 'LATIN1',
  transform_null_equals: 'on',
  TimeZone: 'Asia/Kolkata',
  DateStyle: 'German, DMY',
  IntervalStyle: 'sql_standard',
  standard_conforming_strings: 'off',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  array_nulls: 'off',
  row_security: 'off',
  search_path: 'elsewhere',
  quote_all_identifiers: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
};

/** Sets settings for new sessions of a role in the database of a URL. */
export async function setForRole(ownerUrl: string, role: string, name: string, value?: string): Promise<void> {
  const database = new URL(ownerUrl).pathname.slice(1);
  const change = value === undefined ? `RESET ${name}` : `SET ${name} = '${value}'`;
  await run(ownerUrl, `ALTER ROLE ${role} IN DATABASE ${database} ${change}`);
}

/** Sets settings for a database, by ALTER DATABASE. The settings of a role in that database have precedence. */
export async function setForDatabase(ownerUrl: string, settings = foreignSettings): Promise<void> {
  const database = new URL(ownerUrl).pathname.slice(1);
  const changes = Object.entries(settings).map(
    ([name, value]) => `ALTER DATABASE ${database} SET ${name} = '${value}'`,
  );
  await run(ownerUrl, changes.join('; '));
}
