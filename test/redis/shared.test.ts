import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { build } from '../support/process.ts';
import { limitsIn } from '../support/rate-limits.ts';
import { countersIn, makeRedis, openAsking } from '../support/redis.ts';
import { startReplica } from '../support/replicas.ts';
import { type Attempt, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const elsewhere = await openWorld();
beforeAll(build);

async function startPair(attempt: Attempt, env: Readonly<Record<string, string>> = {}) {
  const redis = await makeRedis();
  await redis.start();
  const replicas = await Promise.all([1, 2].map(() => startReplica(world, redis.url, { env, attempt })));
  const { id } = await world.company();
  const waiting = await world.limitedKey(id, { perMinute: 1_000_000 });
  for (const replica of replicas) await replica.untilChanges(1, waiting);
  return { redis, replicas, companyId: id };
}

test.for([
  { what: 'minute', limits: { perMinute: 200 } },
  { what: 'hour', limits: { perMinute: 100_000, perHour: 200 } },
])('two processes under load together admit exactly the limit of a key in a $what', ({ limits }) =>
  unlessTooSlow(async (attempt) => {
    const { replicas, companyId } = await startPair(attempt);
    const key = await world.limitedKey(companyId, limits);
    const statuses: number[] = [];
    // 40 clients, 20 on each replica, send four times as many requests as the limit.
    const clients = Array.from({ length: 40 }, async (_, at) => {
      for (let count = 0; count < 20; count += 1) {
        const answer = await replicas[at % 2]?.call(key);
        statuses.push(answer?.status ?? 0);
      }
    });
    await Promise.all(clients);
    expect(statuses.filter((status) => status === 200)).toHaveLength(200);
    expect(statuses.filter((status) => status === 429)).toHaveLength(600);
  }),
);

test('a request that one replica counted counts on the next one', () =>
  unlessTooSlow(async (attempt) => {
    const { replicas, companyId } = await startPair(attempt);
    const [first, second] = replicas;
    const key = await world.limitedKey(companyId, { perMinute: 3, perHour: 100 });
    expect(await first?.ask(key)).toEqual([200, 2]);
    expect(await second?.ask(key)).toEqual([200, 1]);
    expect(await first?.ask(key)).toEqual([200, 0]);
    for (const replica of replicas) {
      const answer = await replica.call(key);
      // Requests that the minute refused do not count in the hour.
      expect(limitsIn(answer)).toMatchObject({
        minute: { limit: 3, remaining: 0 },
        hour: { limit: 100, remaining: 97 },
      });
      expect(answer.status).toBe(429);
    }
  }));

test('refused keys of one address are counted over both replicas', () =>
  unlessTooSlow(async (attempt) => {
    const { replicas } = await startPair(attempt, { RATE_LIMIT_REFUSED_PER_MINUTE: '3' });
    const statuses = [];
    for (const replica of [...replicas, ...replicas, ...replicas])
      statuses.push((await replica.call('nonsense')).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429, 429]);
  }));

/** The counts of keys, without that which each new connection begins with. */
const countsIn = async ({ client }: Awaited<ReturnType<typeof makeRedis>>) =>
  (await client.keys('*')).filter((name) => !name.includes('{start}'));

/** Asks a server of this process that counts in a Redis. */
async function openCounting(url: string, attempt: Attempt) {
  const { counters } = countersIn(url, attempt);
  await counters.open();
  return await openAsking(world, counters);
}

test('a client that waits for Retry-After is admitted, and no count outlives its window', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const ask = await openCounting(redis.url, attempt);
    const { id } = await world.company();
    const key = await world.limitedKey(id, { perMinute: 1, perHour: 2 });
    const now = Math.floor(Date.now() / 1_000);
    expect(await ask(key)).toMatchObject({ status: 200 });
    const refusal = await ask(key);
    expect(refusal).toMatchObject({ status: 429, minute: { remaining: 0 }, hour: { remaining: 1 } });
    expect(refusal.retryAfter).toSatisfy((seconds) => seconds > 30 && seconds <= 60);
    expect(refusal.minute?.reset).toBeGreaterThanOrEqual(now + 59);
    expect(refusal.hour?.reset).toBeGreaterThanOrEqual(now + 3_599);

    const keys = await countsIn(redis);
    const ofMinute = keys.filter((name) => name.startsWith('interview-agents-api:one:') && name.endsWith(':minute'));
    expect([keys.length, ofMinute.length]).toEqual([2, 1]);
    for (const name of keys) {
      expect(await redis.client.pexpiretime(name)).toBe(Number(await redis.client.hget(name, 'ends')));
    }
    // The end of the window is moved forward, because the clock of Redis cannot be set.
    const soon = Number((await redis.client.time())[0]) * 1_000 + 5_000;
    for (const name of ofMinute) await redis.client.multi().hset(name, 'ends', soon).pexpireat(name, soon).exec();
    expect([1, 2, 3, 4, 5]).toContain((await ask(key)).retryAfter);
    await vi.waitUntil(async () => (await redis.client.exists(...ofMinute)) === 0, { timeout: 60_000, interval: 20 });
    expect(await ask(key)).toMatchObject({ status: 200, hour: { remaining: 0 } });
    expect(await ask(key)).toMatchObject({ status: 429, retryAfter: expect.toSatisfy((wait) => wait > 3_590) });
  }));

test('refused requests are not counted: a raised limit admits as many requests as it was raised by, on every replica', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const [one, other] = await Promise.all([openCounting(redis.url, attempt), openCounting(redis.url, attempt)]);
    const { id: companyId } = await world.company();
    const { id, key } = await world.newKey(companyId);
    const raise = (minute: number, hour: number) =>
      world.sql.query('UPDATE api_key SET per_minute = $2, per_hour = $3 WHERE id = $1', [id, minute, hour]);
    await raise(2, 2);
    const statuses = [];
    for (let count = 0; count < 10; count += 1) statuses.push((await one(key)).status, (await other(key)).status);
    expect(statuses).toEqual([200, 200, ...Array(18).fill(429)]);
    await raise(5, 4);
    expect(await one(key)).toMatchObject({ status: 200, minute: { remaining: 2 }, hour: { remaining: 1 } });
    expect(await other(key)).toMatchObject({ status: 200, minute: { remaining: 1 }, hour: { remaining: 0 } });
    // Refused by the hour, and therefore not counted in the minute.
    for (const ask of [one, other]) {
      expect(await ask(key)).toMatchObject({ status: 429, minute: { remaining: 1 }, hour: { remaining: 0 } });
    }
    await raise(5, 5);
    expect(await other(key)).toMatchObject({ status: 200, minute: { remaining: 0 }, hour: { remaining: 0 } });
  }));

test('replicas with different clocks report the same end of a window, by the clock of Redis', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const [one, other] = await Promise.all([openCounting(redis.url, attempt), openCounting(redis.url, attempt)]);
    const { id } = await world.company();
    const key = await world.limitedKey(id, { perMinute: 2, perHour: 2 });
    const first = await one(key);
    const names = await countsIn(redis);
    const ends = await Promise.all(
      ['minute', 'hour'].map(async (kind) => {
        const name = names.find((some) => some.endsWith(`:${kind}`)) ?? '';
        return Math.ceil(Number(await redis.client.hget(name, 'ends')) / 1_000);
      }),
    );
    expect([first.minute?.reset, first.hour?.reset]).toEqual(ends);
    // The clock of the other one is a day ahead.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_400_000 });
    onTestFinished(() => void vi.useRealTimers());
    for (const status of [200, 429]) {
      const { status: otherStatus, minute, hour } = await other(key);
      expect([otherStatus, minute?.reset, hour?.reset]).toEqual([status, ...ends]);
    }
  }));

test('two deployments that share a Redis count separately, both keys and addresses', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const limits = { RATE_LIMIT_REFUSED_PER_MINUTE: '3' };
    const replicas = await Promise.all(
      [world, world, elsewhere].map((some) => startReplica(some, redis.url, { env: limits, attempt })),
    );
    const [one, sibling, other] = replicas;
    const refused = async (replica = one) => (await replica?.call('nonsense'))?.status;
    for (const _ of Array(3)) expect(await refused()).toBe(401);
    expect([await refused(one), await refused(sibling)]).toEqual([429, 429]);
    for (const _ of Array(3)) expect(await refused(other)).toBe(401);
    expect(await refused(other)).toBe(429);
    for (const replica of replicas) expect(await replica.isShared()).toBe(true);
  }));
