import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { sharedCounters } from '../../src/auth/shared-counters.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { build } from '../support/process.ts';
import { toldBy } from '../support/rate-limits.ts';
import { makeRedis } from '../support/redis.ts';
import { startReplica } from '../support/replicas.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

async function startPair(env: Readonly<Record<string, string>> = {}) {
  const redis = await makeRedis();
  await redis.start();
  const replicas = await Promise.all([startReplica(world, redis.url, env), startReplica(world, redis.url, env)]);
  const { id } = await world.company();
  const waiting = await world.limitedKey(id, { perMinute: 1_000_000 });
  for (const replica of replicas) await replica.untilChanges(1, waiting);
  return { redis, replicas, companyId: id };
}

test.for([
  { what: 'minute', limits: { perMinute: 200 } },
  { what: 'hour', limits: { perMinute: 100_000, perHour: 200 } },
])('two processes under load let through exactly what a key has in a $what, together', async ({ limits }) => {
  const { replicas, companyId } = await startPair();
  const key = await world.limitedKey(companyId, limits);
  const statuses: number[] = [];
  // 40 clients, 20 of each replica, send four times as many requests as the key has.
  const clients = Array.from({ length: 40 }, async (_, at) => {
    for (let count = 0; count < 20; count += 1) {
      const answer = await replicas[at % 2]?.call(key);
      statuses.push(answer?.status ?? 0);
    }
  });
  await Promise.all(clients);
  expect(statuses.filter((status) => status === 200)).toHaveLength(200);
  expect(statuses.filter((status) => status === 429)).toHaveLength(600);
});

test('what one replica counts, the next one knows', async () => {
  const { replicas, companyId } = await startPair();
  const [first, second] = replicas;
  const key = await world.limitedKey(companyId, { perMinute: 3, perHour: 100 });
  expect(await first?.ask(key)).toEqual([200, 2]);
  expect(await second?.ask(key)).toEqual([200, 1]);
  expect(await first?.ask(key)).toEqual([200, 0]);
  for (const replica of replicas) {
    const answer = await replica.call(key);
    // What the minute refused is not in the hour.
    expect(toldBy(answer)).toMatchObject({ minute: { limit: 3, remaining: 0 }, hour: { limit: 100, remaining: 97 } });
    expect(answer.status).toBe(429);
  }
});

test('refused keys of one address count together', async () => {
  const { replicas } = await startPair({ RATE_LIMIT_REFUSED_PER_MINUTE: '3' });
  const statuses = [];
  for (const replica of [...replicas, ...replicas, ...replicas]) statuses.push((await replica.call('nonsense')).status);
  expect(statuses).toEqual([401, 401, 401, 429, 429, 429]);
});

test('a client that waits as long as Retry-After says gets through, and nothing outlives its window', async () => {
  const redis = await makeRedis();
  await redis.start();
  const counters = sharedCounters({ url: redis.url, onChange: () => {} });
  await counters.open();
  onTestFinished(() => counters.close());
  const { origin } = await openAnotherServer(world, { counters });
  const { id } = await world.company();
  const key = await world.limitedKey(id, { perMinute: 1, perHour: 2 });
  const call = async () => {
    const answer = await send(origin, {
      method: 'GET',
      path: '/companies',
      headers: { authorization: `Bearer ${key}` },
    });
    return { status: answer.status, ...toldBy(answer) };
  };
  const now = Math.floor(Date.now() / 1_000);
  expect(await call()).toMatchObject({ status: 200 });
  const refusal = await call();
  expect(refusal).toMatchObject({ status: 429, minute: { remaining: 0 }, hour: { remaining: 1 } });
  expect(refusal.retryAfter).toSatisfy((seconds) => seconds > 30 && seconds <= 60);
  expect(refusal.minute?.reset).toBeGreaterThanOrEqual(now + 59);
  expect(refusal.hour?.reset).toBeGreaterThanOrEqual(now + 3_599);

  // The window is made to end sooner, since the clock of Redis cannot be set.
  const keys = await redis.client.keys('*');
  const ofMinute = keys.filter((name) => name.startsWith('interview-agents-api:minute:'));
  expect(ofMinute).toHaveLength(1);
  expect(keys).toHaveLength(2);
  for (const name of keys) expect(await redis.client.ttl(name)).toBeGreaterThan(0);
  for (const name of ofMinute) await redis.client.pexpire(name, 1_500);
  expect([1, 2]).toContain((await call()).retryAfter);
  await vi.waitUntil(async () => (await redis.client.exists(...ofMinute)) === 0, { timeout: 60_000, interval: 20 });
  expect(await call()).toMatchObject({ status: 200, hour: { remaining: 0 } });
  expect(await call()).toMatchObject({ status: 429, retryAfter: expect.toSatisfy((wait) => wait > 3_590) });
});
