import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { Counters } from '../../src/auth/counters.ts';
import { countersIn, makeRedis, openAsking } from '../support/redis.ts';
import { timedOut } from '../support/replicas.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** What is left for a new key, which may send two requests a minute, after a request to a server with these counters. */
async function openAskingLeft(counters: Counters) {
  const ask = await openAsking(world, counters);
  const key = await world.limitedKey((await world.company()).id, { perMinute: 2 });
  return async () => {
    const { status, minute } = await ask(key);
    return [status, minute?.remaining];
  };
}

test('a server starts while its Redis loads its data, says so, counts alone, and counts in it once it is loaded', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const fill = 'for n = 1, 20000 do redis.call("set", n, string.rep("x", 1000)) end';
    await redis.client.eval(fill, 0);
    await redis.client.save();
    await redis.stop();
    // Between two keys it answers, and pauses.
    const slowly = { 'key-load-delay': '5000', 'loading-process-events-interval-bytes': '1024', rdbcompression: 'no' };
    await redis.start(slowly, /(RDB memory usage)/);
    const { counters, reports } = countersIn(redis.url, attempt);
    await counters.open();
    expect(reports.filter((report) => report === 'shared')).toEqual([]);
    const ask = await openAskingLeft(counters);
    expect([await ask(), await ask(), await ask()]).toEqual([
      [200, 1],
      [200, 0],
      [429, 0],
    ]);
    await vi.waitUntil(() => reports.some((report) => report.startsWith('LOADING')), { timeout: 60_000, interval: 20 });

    const { hostname, port } = new URL(redis.url);
    const socket = connect(Number(port), hostname, () => socket.end('CONFIG SET key-load-delay 0\r\n'));
    await vi.waitUntil(() => reports.at(-1) === 'shared', { timeout: 60_000, interval: 20 });
    expect([await ask(), await ask(), await ask()]).toEqual([
      [200, 1],
      [200, 0],
      [429, 0],
    ]);
  }));

test('a server starts while its Redis accepts connections and does not answer, says so, and counts alone', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    redis.freeze();
    const { counters, reports } = countersIn(redis.url, attempt, 1);
    await counters.open();
    expect(reports).toEqual([timedOut]);
    const ask = await openAskingLeft(counters);
    expect([await ask(), await ask(), await ask()]).toEqual([
      [200, 1],
      [200, 0],
      [429, 0],
    ]);
    redis.thaw();
    await vi.waitUntil(() => reports.at(-1) === 'shared', { timeout: 60_000, interval: 20 });
  }));

/** Blocks this process until Redis has stored a count, and for longer than it may take to answer. */
function blockUntilStored(url: string, name: string): void {
  const { hostname, port } = new URL(url);
  const begin = performance.now();
  const script = `
    const socket = require('node:net').connect(${port}, '${hostname}');
    const ask = () => socket.write('HGET ${name} used\\r\\n');
    socket.on('data', (answer) => String(answer) === '$1\\r\\n1\\r\\n' ? socket.end() : ask());
    ask();`;
  execFileSync(process.execPath, ['-e', script], { timeout: 60_000 });
  while (performance.now() - begin < 400);
}

test('a Redis that has answered in time is used further though the server was too busy to read the answer', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const { counters, reports } = countersIn(redis.url, attempt);
    await counters.open();
    expect(reports).toEqual(['shared']);
    const name = 'interview-agents-api:one:{busy}:minute';
    const counted = counters.count('busy', [{ name: 'minute', limit: 10 }]);
    blockUntilStored(redis.url, name);
    expect(await counted).toMatchObject({ isCounted: true, counts: [{ used: 1 }] });
    expect(reports).toEqual(['shared']);
    expect(await redis.client.hget(name, 'used')).toBe('1');
  }));
