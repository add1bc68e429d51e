import { beforeAll, expect, test, vi } from 'vitest';
import { build } from '../support/process.ts';
import { makeRedis } from '../support/redis.ts';
import { logMessages, type Replica, startReplica } from '../support/replicas.ts';
import { type Attempt, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const { shared, alone } = logMessages;

const world = await openWorld();
let companyId: string;
let key: string;

beforeAll(async () => {
  build();
  companyId = (await world.company()).id;
  // Limits that count requests and never refuse them.
  key = await world.limitedKey(companyId, { perMinute: 1_000_000 });
});

/** Clients that send requests to replicas until they are stopped, or until the end. */
function underLoad(replicas: readonly Replica[], { atEnd }: Attempt) {
  const statuses = new Set<number>();
  const served = Array.from({ length: 10 }, () => 0);
  let isOver = false;
  const clients = served.map(async (_, at) => {
    // This key has limits that are counted and never reached.
    const busy = await world.limitedKey(companyId, { perMinute: 1_000_000, perHour: 1_000_000 });
    while (!isOver) {
      const answer = await replicas[at % replicas.length]?.call(busy);
      statuses.add(answer?.status ?? 0);
      served[at] = (served[at] ?? 0) + 1;
    }
  });
  const running = Promise.all(clients);
  running.catch(() => {});
  atEnd(async () => {
    isOver = true;
  });
  return {
    /** Waits until each client has had `more` answers. @returns the milliseconds of that */
    async untilServed(more: number): Promise<number> {
      const start = performance.now();
      const before = [...served];
      const isServed = () => served.every((count, at) => count >= (before[at] ?? 0) + more);
      await Promise.race([running, vi.waitUntil(isServed, { timeout: 120_000 })]);
      return performance.now() - start;
    },
    async end() {
      isOver = true;
      await running;
      return [...statuses];
    },
  };
}

const startPair = (url: string, attempt: Attempt, hangs = 0) =>
  Promise.all([1, 2].map(() => startReplica(world, url, { attempt, hangs })));

/** Whether two replicas count together: each sees the requests of the other, and its metrics say so. */
async function expectSharedCount([first, second]: readonly Replica[]): Promise<void> {
  expect([await first?.isShared(), await second?.isShared()]).toEqual([true, true]);
  const fresh = await world.limitedKey(companyId, { perMinute: 3 });
  expect(await first?.ask(fresh)).toEqual([200, 2]);
  expect(await second?.ask(fresh)).toEqual([200, 1]);
  expect(await first?.ask(fresh)).toEqual([200, 0]);
  expect(await second?.ask(fresh)).toEqual([429, 0]);
}

/** Each replica admits the whole limit of a key, and no more. */
async function expectOwnCounts(replicas: readonly Replica[]): Promise<void> {
  const fresh = await world.limitedKey(companyId, { perMinute: 2 });
  for (const replica of replicas) {
    expect(await replica.isShared()).toBe(false);
    expect(await replica.ask(fresh)).toEqual([200, 1]);
    expect(await replica.ask(fresh)).toEqual([200, 0]);
    expect(await replica.ask(fresh)).toEqual([429, 0]);
  }
}

test('while Redis is stopped and started under load no request fails, limits hold, and log and metrics report each change', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const replicas = await startPair(redis.url, attempt);
    const load = underLoad(replicas, attempt);
    for (const replica of replicas) await replica.untilChanges(1, key);
    await expectSharedCount(replicas);

    await redis.stop();
    await load.untilServed(10);
    for (const replica of replicas) await replica.untilChanges(2, key);
    await expectOwnCounts(replicas);

    await redis.start();
    for (const replica of replicas) await replica.untilChanges(3, key);
    await expectSharedCount(replicas);

    expect(await load.end()).toEqual([200]);
    for (const replica of replicas) expect(replica.changes()).toEqual([shared, alone, shared]);
  }));

test('without any request, metrics and log report a good Redis after the start, and again after it was restarted', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const replica = await startReplica(world, redis.url, { attempt });
    await vi.waitUntil(() => replica.isShared(), { timeout: 60_000 });
    await redis.stop();
    await vi.waitUntil(async () => !(await replica.isShared()), { timeout: 60_000 });
    await redis.start();
    await vi.waitUntil(() => replica.isShared(), { timeout: 60_000 });
    // Lines of the log are written a little later.
    await expect.poll(() => replica.changes(), { timeout: 60_000 }).toEqual([shared, alone, shared]);
  }));

test('while Redis hangs under load no request waits for it, and the replicas count together again afterwards', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const replicas = await startPair(redis.url, attempt, 1);
    const load = underLoad(replicas, attempt);
    for (const replica of replicas) await replica.untilChanges(1, key);
    const answers = 100;
    const usual = await load.untilServed(answers);

    redis.freeze();
    for (const replica of replicas) await replica.untilChanges(2, key);
    await expectOwnCounts(replicas);
    // Several connections are opened meanwhile, and none gets an answer.
    const meanwhile = await load.untilServed(answers);
    for (const replica of replicas) expect(replica.changes()).toEqual([shared, alone]);
    // A request that waited for Redis would take 300 ms more.
    expect(meanwhile - usual).toBeLessThan((answers * 300) / 2);

    redis.thaw();
    for (const replica of replicas) await replica.untilChanges(3, key);
    await expectSharedCount(replicas);
    expect(await load.end()).toEqual([200]);
    for (const replica of replicas) expect(replica.changes()).toEqual([shared, alone, shared]);
  }));

test('a server starts without its Redis, says so, counts alone, and counts with the others once Redis is there', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    const replicas = await startPair(redis.url, attempt);
    for (const replica of replicas) await replica.untilChanges(1, key);
    await expectOwnCounts(replicas);
    for (const replica of replicas) expect(replica.stdout()).toContain('ECONNREFUSED');
    await redis.start();
    for (const replica of replicas) await replica.untilChanges(2, key);
    await expectSharedCount(replicas);
    for (const replica of replicas) expect(replica.changes()).toEqual([alone, shared]);
  }));

test('a Redis that refuses every write is logged once, and each replica counts alone', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    await redis.client.config('SET', 'maxmemory', '1');
    const replica = await startReplica(world, redis.url, { attempt });
    const load = underLoad([replica], attempt);
    await replica.untilChanges(1, key);
    await expectOwnCounts([replica]);
    expect(await load.end()).toEqual([200]);
    expect(replica.changes()).toEqual([alone]);
    await redis.client.config('SET', 'maxmemory', '0');
    await replica.untilChanges(2, key);
    expect(replica.changes()).toEqual([alone, shared]);
  }));
