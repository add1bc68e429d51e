import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { build, makeFolder, startProcess, tooSlow } from '../support/process.ts';
import { makeRedis } from '../support/redis.ts';
import { logMessages, startReplica, timedOut } from '../support/replicas.ts';
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

test('a Redis with a certificate of an unknown authority is reported with the variable that names it, with which Redis is used', () =>
  unlessTooSlow(async (attempt) => {
    const folder = await makeFolder();
    const authority = makeAuthority();
    const files = { ...authority.certificateOf('localhost'), authority: authority.cert };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const redis = await makeRedis();
    const { port } = new URL(redis.url);
    await redis.start({
      ...{ port: '0', 'tls-port': port, 'tls-auth-clients': 'no', 'tls-ca-cert-file': join(folder, 'authority') },
      ...{ 'tls-cert-file': join(folder, 'cert'), 'tls-key-file': join(folder, 'key') },
    });
    const url = `rediss://localhost:${port}`;
    const unknowing = await startReplica(world, url, { attempt });
    await unknowing.untilReports(1, key);
    expect([unknowing.changes(), unknowing.causes()]).toEqual([
      [`${logMessages.alone}: name the file of its certificate authority in NODE_EXTRA_CA_CERTS`],
      [expect.stringContaining('certificate')],
    ]);
    const env = { NODE_EXTRA_CA_CERTS: join(folder, 'authority') };
    const knowing = await startReplica(world, url, { attempt, env });
    await knowing.untilReports(1, key);
    expect(knowing.changes()).toEqual([logMessages.shared]);
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
