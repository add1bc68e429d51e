import { expect, onTestFinished } from 'vitest';
import { callsOf } from './calls.ts';
import { startProcess } from './process.ts';
import type { Attempt } from './too-slow.ts';
import type { World } from './world.ts';

const names = ['server-1', 'server-2'] as const;

interface Options extends Partial<Pick<Attempt, 'atEnd' | 'timed'>> {
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The command of a program of deploy/, which starts others as `nobody`, if it is run by root with the strictest umask: what it
 * writes for them they must be able to read.
 */
export const withStrictUmask = (program: string) => [
  ...['sh', '-c', 'umask 077; exec "$@"', 'sh'],
  ...[process.execPath, '--import', 'tsx', program],
];

/**
 * The servers and programs of deploy/replicas, on the world's database, without limits except those of keys. Ends with
 * the test, unless `atEnd` is given.
 */
export async function startComposition(world: World, { env = {}, atEnd = onTestFinished, timed }: Options = {}) {
  const program = startProcess(withStrictUmask('deploy/replicas/run.ts'), {
    env: {
      ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, PORT: '0' },
      ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', RATE_LIMIT_REFUSED_PER_MINUTE: '0' },
      ...env,
    },
    atEnd,
  });
  // Registered separately: it removes its folder, and stops the servers first.
  atEnd(async () => {
    if (program.signal('SIGTERM')) expect(await program.exit).toEqual({ code: 0, signal: null });
  });
  const origin = await program.until(/^The proxy listens on (http:\S+)$/m);
  const printed = (pattern: RegExp) => pattern.exec(program.stdout)?.[1] ?? '';
  const idOf = (name: (typeof names)[number]) => Number(printed(new RegExp(`^${name} is process (\\d+),`, 'm')));
  const signal = (name: (typeof names)[number], signal: NodeJS.Signals) => process.kill(idOf(name), signal);
  return {
    program,
    origin,
    /** The two servers behind the proxy. */
    servers: names.map((name) => printed(new RegExp(`^${name} .* listens on (\\S+),`, 'm'))),
    /** The addresses of their metrics. */
    metrics: names.map((name) => printed(new RegExp(`^${name} .* metrics on (\\S+)$`, 'm'))),
    /** Their process ids. */
    ids: names.map(idOf),
    /** Freezes a server (SIGSTOP): the system accepts connections, and no request is answered. */
    freeze: (server: (typeof names)[number]) => signal(server, 'SIGSTOP'),
    thaw: (server: (typeof names)[number]) => signal(server, 'SIGCONT'),
    /** The address of PgBouncer. */
    pgbouncer: printed(/^PgBouncer listens on (\S+)$/m),
    /** The world with requests through the proxy. */
    world: { ...world, origin, ...callsOf(origin, timed) },
  };
}
