import { beforeAll, expect, test } from 'vitest';
import { build, startProcess, tooSlow } from '../support/process.ts';
import { makeRedis } from '../support/redis.ts';
import { startReplica, timedOut } from '../support/replicas.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let key: string;

beforeAll(async () => {
  build();
  key = await world.limitedKey((await world.company()).id, { perMinute: 1_000_000 });
});

test('a database number that Redis does not have ends the start in one line, and one that it has is used', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start();
    const env = {
      DATABASE_URL: world.databaseUrl,
      API_KEY_SECRET: world.secret,
      PORT: '0',
      REDIS_URL: `${redis.url}/99`,
    };
    const refused = startProcess([process.execPath, 'dist/server.js'], { env, atEnd: attempt.atEnd });
    attempt.provedBy(() => refused.stdout.includes(timedOut) || tooSlow.test(refused.stderr));
    // It listens if Redis answered too late.
    await expect(refused.until(/^(Listening)/m)).rejects.toThrow('it ended');
    expect({ ...(await refused.exit), stderr: refused.stderr }).toEqual({
      code: 1,
      signal: null,
      stderr: 'REDIS_URL: Redis refuses database 99: ERR DB index is out of range\n',
    });
    const replica = await startReplica(world, `${redis.url}/3`, { attempt });
    await replica.untilReports(1, key);
    await replica.call(key);
    // The count that each new connection begins with, and that of the key.
    expect(await redis.client.info('keyspace')).toMatch(/^# Keyspace\r\ndb3:keys=2,\S*\r\n$/);
  }));

test('a Redis that starts later and lacks the database is never used, and the log says so', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    const replica = await startReplica(world, `${redis.url}/99`, { attempt });
    await replica.untilReports(1, key);
    await redis.start();
    await replica.untilReports(2, key);
    expect(await replica.isShared()).toBe(false);
    expect(replica.causes()).toEqual([expect.stringContaining('ECONNREFUSED'), 'ERR DB index is out of range']);
    expect(await redis.client.dbsize()).toBe(0);
  }));

test('each warning names its own cause, and each cause is logged once', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    const replica = await startReplica(world, redis.url, { attempt });
    await replica.untilReports(1, key);
    await redis.start({ maxmemory: '1' });
    await replica.untilReports(2, key);
    await redis.client.config('SET', 'maxmemory', '0');
    await replica.untilReports(3, key);
    await redis.stop();
    await replica.untilReports(5, key);
    await redis.start({ requirepass: 'a-password-of-redis' });
    await replica.untilReports(6, key);
    const [refused, full, shared, ...later] = replica.causes();
    expect([refused, full, shared]).toEqual([
      expect.stringContaining('ECONNREFUSED'),
      expect.stringContaining('OOM'),
      undefined,
    ]);
    expect(later).toEqual([
      expect.stringMatching(/^(Redis closed the connection|read ECONNRESET)$/),
      expect.stringContaining('ECONNREFUSED'),
      expect.stringContaining('NOAUTH'),
    ]);
  }));

test('a wrong password of Redis is reported without the password', () =>
  unlessTooSlow(async (attempt) => {
    const redis = await makeRedis();
    await redis.start({ requirepass: 'a-password-of-redis' });
    const replica = await startReplica(world, redis.url.replace('//', '//:another-password@'), { attempt });
    await replica.untilReports(1, key);
    expect(replica.causes()).toEqual([expect.stringContaining('WRONGPASS')]);
    expect(replica.stdout()).not.toContain('another-password');
  }));
