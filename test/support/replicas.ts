import { vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { type Answer, type Sent, send } from './http.ts';
import { startServer } from './process.ts';
import { toldBy } from './rate-limits.ts';
import type { World } from './world.ts';

export type Replica = Awaited<ReturnType<typeof startReplica>>;

/** What the log says when the place of the counts changes. */
export const saying = {
  shared: 'rate limits are counted in Redis, together with the other replicas',
  alone: 'Redis does not answer: rate limits are counted by this replica alone',
} as const;

/** A server process over the world's database that counts in a Redis, without limits but those of keys. */
export async function startReplica(world: World, redisUrl: string, env: Readonly<Record<string, string>> = {}) {
  const metricsPort = await freePort();
  const { server, origin } = await startServer({
    DATABASE_URL: world.databaseUrl,
    API_KEY_SECRET: world.secret,
    REDIS_URL: redisUrl,
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_PER_HOUR: '0',
    METRICS_PORT: String(metricsPort),
    ...env,
  });
  const call = (key: string, further: Partial<Sent> = {}): Promise<Answer> =>
    send(origin, { method: 'GET', path: '/companies', headers: { authorization: `Bearer ${key}` }, ...further });

  return {
    call,

    /** Status and what is left of the minute. */
    async ask(key: string) {
      const answer = await call(key);
      return [answer.status, toldBy(answer).minute?.remaining];
    },

    /** The changes that its log tells of, in order. */
    changes: () =>
      server.stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line): string => JSON.parse(line).msg)
        .filter((message) => message === saying.shared || message === saying.alone),

    /** Resolves when its log has told of so many changes; the servers are asked meanwhile, or nothing would change. */
    async untilChanges(count: number, key: string): Promise<void> {
      const told = async () => {
        await call(key);
        return this.changes().length >= count;
      };
      await vi.waitUntil(told, { timeout: 60_000, interval: 20 });
    },

    /** Whether its metrics say that all replicas count together. */
    async isShared(): Promise<boolean> {
      const { text } = await send(`http://127.0.0.1:${metricsPort}`, { method: 'GET', path: '/metrics' });
      return /^interview_agents_rate_limits_shared 1$/m.test(text);
    },

    stdout: () => server.stdout,
  };
}
