import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { hashKey } from '../../src/auth/api-key.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { openWorld } from '../support/world.ts';

const renewed = randomUUID().repeat(2);
/** The world's own server has the old secret, and its keys are hashed with it. */
const world = await openWorld({ previousSecret: renewed });
const old = world.secret;

const get = async (origin: string, key: string) =>
  (await send(origin, { method: 'GET', path: '/agents', headers: { authorization: `Bearer ${key}` } })).status;

async function rowOf(keyId: string) {
  const { rows } = await world.sql.query('SELECT * FROM api_key WHERE id = $1', [keyId]);
  return rows[0];
}

const untilMoved = (keyId: string, hash: string) =>
  vi.waitUntil(async () => (await rowOf(keyId)).hash === hash, { timeout: 60_000, interval: 10 });

test('without the previous secret, keys hashed with it are unknown', async () => {
  const { key } = await world.company();
  const { origin } = await openAnotherServer(world, { secret: renewed });
  expect(await get(origin, key)).toBe(401);
});

test('with the previous secret, a key is hashed with the new one at its first use and then needs only that; unused keys stay as they are', async () => {
  const [used, unused] = await Promise.all([world.company(), world.company()]);
  const [before, others] = [await rowOf(used.keyId), await rowOf(unused.keyId)];
  expect(before.hash).toBe(hashKey(used.key, old));
  const { origin } = await openAnotherServer(world, { secret: renewed, previousSecret: old });
  expect(await get(origin, used.key)).toBe(200);
  await untilMoved(used.keyId, hashKey(used.key, renewed));
  const { hash, last_used_at, ...rest } = before;
  expect(await rowOf(used.keyId)).toMatchObject(rest);
  expect(await rowOf(unused.keyId)).toEqual(others);
  const { origin: later } = await openAnotherServer(world, { secret: renewed });
  expect([await get(later, used.key), await get(later, unused.key)]).toEqual([200, 401]);
});

test('a suspended, revoked or expired key stays refused after a change of the secret, and is not hashed again', async () => {
  const ends = [
    (id: string) => world.keys.suspend(id),
    (id: string) => world.keys.revoke(id),
    (id: string) => world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [id]),
  ];
  const { origin } = await openAnotherServer(world, { secret: renewed, previousSecret: old });
  for (const end of ends) {
    const { key, keyId } = await world.company();
    await end(keyId);
    const before = await rowOf(keyId);
    expect(await get(origin, key)).toBe(401);
    const barrier = await world.company();
    expect(await get(origin, barrier.key)).toBe(200);
    await untilMoved(barrier.keyId, hashKey(barrier.key, renewed));
    expect(await rowOf(keyId)).toEqual(before);
  }
});

test('replicas that know both secrets refuse no request while their secrets are swapped one after the other', async () => {
  const { key, keyId } = await world.company();
  const before = await openAnotherServer(world, { secret: old, previousSecret: renewed });
  const after = await openAnotherServer(world, { secret: renewed, previousSecret: old });
  const ask = () => Promise.all(Array.from({ length: 20 }, (_, at) => get((at % 2 ? before : after).origin, key)));
  expect(new Set(await ask())).toEqual(new Set([200]));
  const { rows } = await world.sql.query('SELECT hash FROM api_key WHERE id = $1', [keyId]);
  expect([hashKey(key, old), hashKey(key, renewed)]).toContain(rows[0].hash);
  expect(new Set(await ask())).toEqual(new Set([200]));
});

test('several processes that hash the same keys again at once lose none', async () => {
  const companies = await Promise.all(Array.from({ length: 20 }, () => world.company()));
  const servers = await Promise.all(
    Array.from({ length: 3 }, () => openAnotherServer(world, { secret: renewed, previousSecret: old })),
  );
  const asked = companies.flatMap(({ key }) => servers.map(({ origin }) => get(origin, key)));
  expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
  for (const { key, keyId } of companies) await untilMoved(keyId, hashKey(key, renewed));
});
