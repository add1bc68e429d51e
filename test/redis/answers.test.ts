import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sharedCounters } from '../../src/auth/shared-counters.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { limitsIn } from '../support/rate-limits.ts';
import { makeRedis } from '../support/redis.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Counters in a Redis, and what they report: `shared`, or the cause for which they count alone. */
function openCounters(url: string) {
  const reports: string[] = [];
  const onChange = (isShared: boolean, cause?: Error) =>
    void reports.push(isShared ? 'shared' : String(cause?.message));
  const counters = sharedCounters({ url, deployment: 'one', onChange });
  onTestFinished(() => counters.close());
  return { counters, reports };
}

/** A key that may send two requests a minute, and what is left for it after a request to a server with these counters. */
async function openAsking(counters: ReturnType<typeof sharedCounters>) {
  const { origin } = await openAnotherServer(world, { counters });
  const key = await world.limitedKey((await world.company()).id, { perMinute: 2 });
  const headers = { authorization: `Bearer ${key}` };
  return async () => {
    const answer = await send(origin, { method: 'GET', path: '/companies', headers });
    return [answer.status, limitsIn(answer).minute?.remaining];
  };
}

test('a server starts while its Redis loads its data, says so, counts alone, and counts in it once it is loaded', async () => {
  const redis = await makeRedis();
  await redis.start();
  const fill = 'for n = 1, 20000 do redis.call("set", n, string.rep("x", 1000)) end';
  await redis.client.eval(fill, 0);
  await redis.client.save();
  await redis.stop();
  // Between two keys it answers, and pauses.
  const slowly = { 'key-load-delay': '5000', 'loading-process-events-interval-bytes': '1024', rdbcompression: 'no' };
  await redis.start(slowly, /(RDB memory usage)/);
  const { counters, reports } = openCounters(redis.url);
  await counters.open();
  expect(reports.filter((report) => report === 'shared')).toEqual([]);
  const ask = await openAsking(counters);
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
});

test('a server starts while its Redis accepts connections and does not answer, says so, and counts alone', async () => {
  const redis = await makeRedis();
  await redis.start();
  redis.freeze();
  const { counters, reports } = openCounters(redis.url);
  await counters.open();
  expect(reports).toEqual(['Redis has not answered within 300 ms']);
  const ask = await openAsking(counters);
  expect([await ask(), await ask(), await ask()]).toEqual([
    [200, 1],
    [200, 0],
    [429, 0],
  ]);
  redis.thaw();
  await vi.waitUntil(() => reports.at(-1) === 'shared', { timeout: 60_000, interval: 20 });
});

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

test('a Redis that has answered in time is used further though the server was too busy to read the answer', async () => {
  const redis = await makeRedis();
  await redis.start();
  const { counters, reports } = openCounters(redis.url);
  await counters.open();
  expect(reports).toEqual(['shared']);
  const name = 'interview-agents-api:one:{busy}:minute';
  const counted = counters.count('busy', [{ name: 'minute', limit: 10 }]);
  blockUntilStored(redis.url, name);
  expect(await counted).toMatchObject({ isCounted: true, counts: [{ used: 1 }] });
  expect(reports).toEqual(['shared']);
  expect(await redis.client.hget(name, 'used')).toBe('1');
});
