import { expect, test } from 'vitest';
import { countersIn, makeRedis, openAsking } from '../support/redis.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('after the clock of Redis was set back by two hours a used-up key has new windows, which end after their time', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const { counters } = countersIn(redis.url, attempt);
    await counters.open();
    const key = await world.limitedKey((await world.company()).id, { perMinute: 1, perHour: 1 });
    const askServer = await openAsking(world, counters);
    const ask = () => askServer(key);
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 429]);

    // The clock of Redis cannot be set: its windows are given the end that they had by the clock of before.
    const names = (await redis.client.keys('*')).filter((name) => !name.includes('{start}'));
    expect(names).toHaveLength(2);
    for (const name of names) {
      const ends = Number(await redis.client.hget(name, 'ends')) + 7_200_000;
      await redis.client.multi().hset(name, 'ends', ends).pexpireat(name, ends).exec();
    }
    const now = Number((await redis.client.time())[0]);
    const { status, minute, hour } = await ask();
    expect({ status, left: [minute?.remaining, hour?.remaining] }).toEqual({ status: 200, left: [0, 0] });
    const later = Number((await redis.client.time())[0]);
    expect(minute?.reset).toSatisfy((reset) => reset >= now + 60 && reset <= later + 61);
    expect(hour?.reset).toSatisfy((reset) => reset >= now + 3_600 && reset <= later + 3_601);
    for (const name of names) {
      expect(await redis.client.pexpiretime(name)).toBe(Number(await redis.client.hget(name, 'ends')));
    }
  }));
