import { vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { callsOf } from './calls.ts';
import { type Answer, send } from './http.ts';
import { startServer } from './process.ts';
import { limitsIn } from './rate-limits.ts';
import type { Attempt } from './too-slow.ts';
import type { World } from './world.ts';

export type Replica = Awaited<ReturnType<typeof startReplica>>;

/** The log messages about where requests are counted. */
export const logMessages = {
  shared: 'rate limits are counted in Redis, together with the other replicas',
  alone: 'Redis cannot be used: rate limits are counted by this replica alone',
} as const;

/** The cause that a server names when Redis did not answer in time. */
export const timedOut = 'Redis has not answered within 300 ms';

/** The log lines about where requests are counted. */
function reportsIn(log: string): { msg: string; err?: { message: string } }[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === logMessages.shared || msg.startsWith(logMessages.alone));
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  /** The run of a scene, which it measures: an answer of a running Redis in 300 ms is not sure on a slow machine. */
  readonly attempt?: Attempt;
  /** The number of outages in which Redis is made to hang. */
  readonly hangs?: number;
}

/** A server process over the world's database that counts in a Redis, without limits but those of keys. */
export async function startReplica(world: World, redisUrl: string, { env, attempt, hangs = 0 }: Options = {}) {
  const metricsPort = await freePort();
  const { server, origin } = await startServer(
    {
      ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, REDIS_URL: redisUrl },
      ...{ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0', METRICS_PORT: String(metricsPort) },
      ...env,
    },
    attempt && { atEnd: attempt.atEnd },
  );
  const { call } = callsOf(origin, attempt?.timed);
  attempt?.provedBy(() => replica.causes().filter((cause) => cause === timedOut).length > hangs);

  const until = (key: string, isSo: () => boolean) =>
    vi.waitUntil(
      async () => {
        await replica.call(key);
        return isSo();
      },
      { timeout: 60_000, interval: 20 },
    );

  const replica = {
    call: (key: string): Promise<Answer> => call(key, 'GET /companies'),

    /** The status, and the remaining requests of the minute. */
    async ask(key: string) {
      const answer = await replica.call(key);
      return [answer.status, limitsIn(answer).minute?.remaining];
    },

    /** The changes in its log, in order; several reports of one outage count as one. */
    changes: () =>
      reportsIn(server.stdout)
        .map(({ msg }) => msg)
        .filter((msg, at, all) => msg !== all[at - 1]),

    /** The causes in the reports of its log. */
    causes: () => reportsIn(server.stdout).map(({ err }) => err?.message),

    /** Resolves when its log has `count` changes. Sends requests meanwhile, because only a request detects that Redis hangs. */
    untilChanges: (count: number, key: string) => until(key, () => replica.changes().length >= count),
    untilReports: (count: number, key: string) => until(key, () => replica.causes().length >= count),

    /** Whether its metrics report that all replicas count together. */
    async isShared(): Promise<boolean> {
      const { text } = await send(`http://127.0.0.1:${metricsPort}`, { method: 'GET', path: '/metrics' });
      return /^interview_agents_rate_limits_shared 1$/m.test(text);
    },

    stdout: () => server.stdout,
  };
  return replica;
}
