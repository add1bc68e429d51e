import { onTestFinished } from 'vitest';
import { callsOf } from './calls.ts';
import { type AtEnd, startProcess } from './process.ts';
import type { World } from './world.ts';

/** The composition of deploy/replicas, over the world's database, without limits but those of keys; ends with the test, unless `atEnd` is given. */
export async function startComposition(
  world: World,
  { env = {}, atEnd = onTestFinished }: { env?: Readonly<Record<string, string>>; atEnd?: AtEnd } = {},
) {
  const program = startProcess([process.execPath, '--import', 'tsx', 'deploy/replicas/run.ts'], {
    env: {
      ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, PORT: '0' },
      ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', RATE_LIMIT_REFUSED_PER_MINUTE: '0' },
      ...env,
    },
    atEnd,
  });
  const origin = await program.until(/^The proxy listens on (http:\S+)$/m);
  const told = (pattern: RegExp) => pattern.exec(program.stdout)?.[1] ?? '';
  return {
    program,
    origin,
    /** The two behind the proxy. */
    servers: ['server-1', 'server-2'].map((name) => told(new RegExp(`^${name} listens on (\\S+),`, 'm'))),
    /** Where their metrics are. */
    metrics: ['server-1', 'server-2'].map((name) => told(new RegExp(`^${name} .* metrics on (\\S+)$`, 'm'))),
    /** Where PgBouncer listens. */
    pgbouncer: told(/^PgBouncer listens on (\S+)$/m),
    /** The world as seen through the proxy. */
    world: { ...world, origin, ...callsOf(origin) },
  };
}
