import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { redisUrlFaults } from './auth/redis-url.ts';
import { databaseUrlFaults, withoutAliases } from './database/url.ts';
import { StartError } from './errors.ts';
import { plainBlock } from './http/address.ts';
import { readPublicUrl } from './http/public-url.ts';

const wholeNumber = (minimum: number, maximum: number, options: { default?: number; description: string }) =>
  Type.Integer({ minimum, maximum, ...options, expected: `a whole number from ${minimum} to ${maximum}` });

const flag = (options: { default: boolean; description: string }) =>
  Type.Boolean({ ...options, expected: 'true or false' });

const secret = 'at least 32 bytes, as `openssl rand -hex 32` makes them';
const blocks = 'addresses and CIDR blocks separated by commas, like 10.0.0.1,2001:db8::/32';
const publicUrl = 'a URL http://host/prefix or https://host/prefix, without user, query and fragment';
const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** All environment variables that the server reads. `.env.example` has the same list. */
export const environmentSchema = Type.Object({
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on' }),
  PORT: wholeNumber(0, 65_535, { default: 3000, description: 'Port to listen on; 0 picks a free one and logs it' }),
  DATABASE_URL: Type.Optional(
    Type.String({
      description: 'PostgreSQL to use instead of the embedded one; required when NODE_ENV=production',
    }),
  ),
  DATABASE_POOL: wholeNumber(1, 1000, {
    default: 10,
    description: 'Database connections per process, and one more with METRICS_PORT',
  }),
  DATA_DIR: Type.String({
    minLength: 1,
    default: '.data',
    description: 'Folder of the embedded database and its generated secret',
  }),
  API_KEY_SECRET: Type.Optional(
    Type.String({
      description: 'HMAC secret for API keys; generated in DATA_DIR when missing, required when NODE_ENV=production',
      expected: secret,
    }),
  ),
  API_KEY_SECRET_PREVIOUS: Type.Optional(
    Type.String({
      description: 'The secret before the last change, accepted while keys move over as they are used',
      expected: secret,
    }),
  ),
  TRUST_PROXY: Type.Optional(
    Type.String({
      description: 'Proxies whose X-Forwarded-For is trusted: addresses and CIDR blocks, separated by commas',
      expected: blocks,
    }),
  ),
  RATE_LIMIT_PER_MINUTE: wholeNumber(0, 999_999_999, {
    default: 600,
    description: 'Requests of one key in a minute, unless the key has a limit of its own; 0 is no limit',
  }),
  RATE_LIMIT_PER_HOUR: wholeNumber(0, 999_999_999, {
    default: 20_000,
    description: 'Requests of one key in an hour, unless the key has a limit of its own; 0 is no limit',
  }),
  RATE_LIMIT_REFUSED_PER_MINUTE: wholeNumber(0, 999_999_999, {
    default: 60,
    description: 'Refused keys from one address in a minute; 0 is no limit',
  }),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^rediss?://.+',
      description: 'Redis or Valkey in which all replicas count together for the rate limits',
      expected: 'a URL redis://user:password@host:port',
    }),
  ),
  LOG_LEVEL: Type.String({
    pattern: `^(${levels.join('|')})$`,
    default: 'info',
    description: 'Level of the log on standard output',
    expected: `one of ${levels.join(', ')}`,
  }),
  SHUTDOWN_GRACE_SECONDS: wholeNumber(0, 3600, {
    default: 10,
    description: 'Longest wait for running requests at SIGTERM',
  }),
  KEEP_ALIVE_SECONDS: wholeNumber(1, 3600, {
    default: 72,
    description:
      'How long a connection that has had an answer may idle; longer than the idle timeout of a load balancer in front',
  }),
  DATABASE_PREPARED_STATEMENTS: flag({
    default: true,
    description: 'Named statements; false behind transaction poolers that do not know them',
  }),
  DOCS: flag({ default: true, description: 'Whether the reference page is served at /docs' }),
  PUBLIC_URL: Type.Optional(
    Type.String({
      description: 'The address that clients use, with a path prefix if a proxy removes one from each request',
      expected: publicUrl,
    }),
  ),
  METRICS_PORT: Type.Optional(
    wholeNumber(1, 65_535, {
      description: 'Port on which Prometheus reads /metrics, on the same host and without a key',
    }),
  ),
  WEBHOOKS: flag({
    default: true,
    description: 'Whether this server sends webhooks; false leaves them to other servers, or waiting',
  }),
  WEBHOOK_ALLOW_HTTP: flag({ default: false, description: 'Whether webhooks may go to http URLs beside https' }),
  WEBHOOK_ALLOW_NETWORKS: Type.Optional(
    Type.String({
      description:
        'Addresses that webhooks may go to although they are not public: addresses and CIDR blocks, separated by commas',
      expected: blocks,
    }),
  ),
  NODE_ENV: Type.Optional(
    Type.String({ description: 'production refuses settings that are only meant for trying the server out' }),
  ),
});

export type Config = Readonly<Static<typeof environmentSchema>>;

/** Who reads the configuration: a server, or the operator's command line. */
export type Program = 'server' | 'operator';

/**
 * Reads the configuration. An empty variable counts as missing.
 * @param program the operator's command line needs API_KEY_SECRET only for some commands, which ask for it
 * @throws StartError that names each wrong or missing variable and what is expected, never its value
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  program: Program = 'server',
): Config {
  const given = Object.entries(environmentSchema.properties).flatMap(([name, schema]) => {
    const text = environment[name];
    return text === undefined || text === '' ? [] : [[name, readValue(text, schema)]];
  });
  const values: unknown = Value.Default(environmentSchema, Object.fromEntries(given));
  const wrong = [...Value.Errors(environmentSchema, values)].map(({ path, schema }) =>
    complaint(path.slice(1), schema),
  );
  if (!Value.Check(environmentSchema, values)) throw new StartError([...new Set(wrong)].join('; '));
  const faults = faultsOf(values, program);
  if (faults.length > 0) throw new StartError(faults.join('; '));
  const { DATABASE_URL: url } = values;
  return Object.freeze(url === undefined ? values : { ...values, DATABASE_URL: withoutAliases(url) });
}

/** Only texts of digits become numbers; others stay texts, which the schema refuses: a port must not be 1 for `1.5` or `true`. */
function readValue(text: string, { type }: TSchema): unknown {
  if (type === 'integer') return /^\d{1,9}$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' || (text === 'false' ? false : text);
  return text;
}

const complaint = (name: string, schema: TSchema) => `${name} must be ${schema['expected'] ?? 'set'}`;

/** Splits the value of a variable that holds a list. */
export const listed = (text: string | undefined): string[] => text?.split(',').map((member) => member.trim()) ?? [];

const isShort = (text: string | undefined) => text !== undefined && Buffer.byteLength(text) < 32;

/** What is wrong with a configuration whose values are well-formed, each one in a sentence. */
function faultsOf(config: Config, program: Program): string[] {
  const { NODE_ENV, DATABASE_URL, API_KEY_SECRET, PUBLIC_URL, REDIS_URL } = config;
  const inProduction = NODE_ENV === 'production';
  const short = (['API_KEY_SECRET', 'API_KEY_SECRET_PREVIOUS'] as const).filter((name) => isShort(config[name]));
  return [
    ...(inProduction && DATABASE_URL === undefined ? ['DATABASE_URL must be set when NODE_ENV=production'] : []),
    ...(inProduction && program === 'server' && API_KEY_SECRET === undefined
      ? ['API_KEY_SECRET must be set when NODE_ENV=production']
      : []),
    ...(DATABASE_URL === undefined ? [] : databaseUrlFaults(DATABASE_URL)),
    ...(REDIS_URL === undefined ? [] : redisUrlFaults(REDIS_URL)),
    ...short.map((name) => `${name} must be ${secret}`),
    ...(['TRUST_PROXY', 'WEBHOOK_ALLOW_NETWORKS'] as const)
      .filter((name) => !listed(config[name]).every(plainBlock))
      .map((name) => `${name} must be ${blocks}`),
    ...(PUBLIC_URL === undefined || readPublicUrl(PUBLIC_URL) ? [] : [`PUBLIC_URL must be ${publicUrl}`]),
  ];
}
