/** `pg` reads other schemes too: for `mysql://host/agents` it would connect to a PostgreSQL on this machine. */
const form = /^postgres(ql)?:\/\/.+/;

/** The values of `sslmode` that `pg` supports. It would ignore libpq's `allow`. */
const sslModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** The parameters of DATABASE_URL that `pg` supports, with their values if only some are supported. */
const supported: Readonly<Record<string, readonly string[] | undefined>> = {
  host: undefined,
  port: undefined,
  user: undefined,
  password: undefined,
  application_name: undefined,
  options: undefined,
  // The schema of the tables.
  schema: ['public'],
  sslmode: sslModes,
  sslrootcert: undefined,
  sslcert: undefined,
  sslkey: undefined,
  sslnegotiation: ['postgres', 'direct'],
  ssl: ['true', '1', '0'],
  uselibpqcompat: ['true'],
};

/** Replacements for parameters of other programs, for the message. */
const instead: Readonly<Record<string, string>> = {
  connection_limit: 'DATABASE_POOL',
  pgbouncer: 'DATABASE_PREPARED_STATEMENTS',
};

// Of other values `pg` would end with an uncaught exception, ten seconds later.
const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535;

/**
 * Finds what is wrong with DATABASE_URL: its form, and parameters that `pg` would ignore or fail at.
 * @returns sentences that name them, never with values; none about the parameters of a text that is not a URL, as any part
 *   may be a secret
 */
export function databaseUrlFaults(url: string): string[] {
  if (!form.test(url)) return ['DATABASE_URL must be a URL postgresql://user:password@host:port/database'];
  // `pg` parses a URL without a host in the same way.
  const text = URL.canParse(url) ? url : url.replace('@/', '@host/');
  if (!URL.canParse(text)) return [];
  return [...new URL(text).searchParams].flatMap(([name, value]) => {
    if (!Object.hasOwn(supported, name)) {
      const other = Object.hasOwn(instead, name) ? `: set ${instead[name]}` : '';
      return [`${name} in DATABASE_URL is not supported${other}`];
    }
    if (name === 'port' && !isPort(value)) return ['port in DATABASE_URL must be a whole number from 0 to 65535'];
    const values = supported[name];
    if (values === undefined || values.includes(value)) return [];
    return [`${name} in DATABASE_URL must be ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}`];
  });
}

/**
 * Writes `sslmode=verify-full` for its aliases in `pg`, at which it would print a warning of many lines about a later release.
 * With `uselibpqcompat` they are no aliases and stay.
 */
export function withoutAliases(url: string): string {
  if (/[?&]uselibpqcompat=true/.test(url)) return url;
  return url.replaceAll(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=[&#]|$)/g, '$1verify-full');
}
