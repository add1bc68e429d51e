import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import type { Counters } from '../../src/auth/counters.ts';
import { sharedCounters } from '../../src/auth/shared-counters.ts';
import { openAnotherServer } from './another-server.ts';
import { callsOf } from './calls.ts';
import { makeFolder, type Started, startProcess } from './process.ts';
import { limitsIn } from './rate-limits.ts';
import { timedOut } from './replicas.ts';
import type { Attempt } from './too-slow.ts';
import type { World } from './world.ts';

/** A Redis for one test, without persistence, stopped with the test. It starts when `start` is called. */
export async function makeRedis() {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const dir = await makeFolder();
  const parameters = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
  const program = process.env['REDIS_SERVER'] ?? 'redis-server';
  let running: Started | undefined;
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 20 });
  client.on('error', () => {});
  onTestFinished(() => client.disconnect());

  return {
    url,
    /** Sends a command on a connection of the test. */
    client,

    /**
     * @param settings as in redis.conf
     * @param state a line of its log to wait for
     */
    async start(
      settings: Readonly<Record<string, string>> = {},
      state = /(Ready to accept connections)/,
    ): Promise<void> {
      const more = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
      running = startProcess([program, ...parameters, ...more], {});
      await running.until(state);
    },

    /** Stops it: connections break and the counts are lost. */
    async stop(): Promise<void> {
      running?.signal('SIGKILL');
      await running?.exit;
    },

    /** Freezes it: connections are accepted, and no command is answered. */
    freeze: () => running?.signal('SIGSTOP'),
    thaw: () => running?.signal('SIGCONT'),
  };
}

/**
 * Counters of this process in a Redis, not connected yet, and what they report: `shared`, or the cause for which they count alone.
 * @param attempt the run of a scene: an answer of a running Redis in 300 ms is not sure on a slow machine
 * @param hangs the number of outages in which Redis is made to hang
 */
export function countersIn(url: string, attempt: Attempt, hangs = 0) {
  const reports: string[] = [];
  attempt.provedBy(() => reports.filter((report) => report === timedOut).length > hangs);
  const onChange = (isShared: boolean, cause?: Error) =>
    void reports.push(isShared ? 'shared' : String(cause?.message));
  const counters = sharedCounters({ url, deployment: 'one', onChange });
  attempt.atEnd(async () => counters.close());
  return { counters, reports };
}

/** Sends a request with a key to a new server of this process that counts with these counters: status and limits. */
export async function openAsking(world: World, counters: Counters) {
  const { origin } = await openAnotherServer(world, { counters });
  const { call } = callsOf(origin);
  return async (key: string) => {
    const answer = await call(key, 'GET /companies');
    return { status: answer.status, ...limitsIn(answer) };
  };
}
