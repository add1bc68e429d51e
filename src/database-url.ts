/** What `pg` does with `sslmode`; libpq knows `allow` too, which `pg` would ignore. */
const sslModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** The parameters of DATABASE_URL that `pg` obeys, with their values where only some are obeyed. */
const supported: Readonly<Record<string, readonly string[] | undefined>> = {
  host: undefined,
  port: undefined,
  user: undefined,
  password: undefined,
  application_name: undefined,
  options: undefined,
  // The tables are in this one.
  schema: ['public'],
  sslmode: sslModes,
  sslrootcert: undefined,
  sslcert: undefined,
  sslkey: undefined,
  sslnegotiation: ['postgres', 'direct'],
  ssl: ['true', '1', '0'],
  uselibpqcompat: ['true'],
};

/** What to use instead of parameters that other programs know. */
const instead: Readonly<Record<string, string>> = {
  connection_limit: 'DATABASE_POOL',
  pgbouncer: 'DATABASE_PREPARED_STATEMENTS',
};

/**
 * What is wrong with the parameters of DATABASE_URL: those that `pg` would ignore.
 * @returns sentences with names, never with values; none for a text that is no URL, of which nothing may be shown
 */
export function databaseUrlFaults(url: string): string[] {
  // Without a host `pg` reads it like this, too.
  const text = URL.canParse(url) ? url : url.replace('@/', '@host/');
  if (!URL.canParse(text)) return [];
  return [...new URL(text).searchParams].flatMap(([name, value]) => {
    if (!Object.hasOwn(supported, name)) {
      const other = Object.hasOwn(instead, name) ? `: set ${instead[name]}` : '';
      return [`${name} in DATABASE_URL is not supported${other}`];
    }
    const values = supported[name];
    if (values === undefined || values.includes(value)) return [];
    return [`${name} in DATABASE_URL must be ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}`];
  });
}
