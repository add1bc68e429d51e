import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { makeFolder, type Started, startProcess } from './process.ts';

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
