import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { expectRefusal, newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** The answers of two replicas, which share only the database, to the next request with a key. */
async function openReplicas() {
  const { origin } = await openAnotherServer(world);
  return (key: string, line = 'GET /agents') =>
    Promise.all([world.origin, origin].map((replica) => ask(replica, key, line)));
}

async function ask(origin: string, key: string, line: string): Promise<number | string> {
  const [method = '', path = ''] = line.split(' ');
  const { status, body } = await send(origin, { method, path, headers: { authorization: `Bearer ${key}` } });
  return status < 400 ? status : String(Object(body).code);
}

const both = (answer: number | string) => [answer, answer];
const ended = both('INVALID_API_KEY');
const suspended = both('API_KEY_SUSPENDED');

test('suspend, resume and revoke take effect with the next request on every replica', async () => {
  const next = await openReplicas();
  const { key, keyId } = await world.company();
  expect(await next(key)).toEqual(both(200));
  await world.keys.suspend(keyId);
  expect(await next(key)).toEqual(suspended);
  await world.keys.resume(keyId);
  expect(await next(key)).toEqual(both(200));
  await world.keys.revoke(keyId);
  expect(await next(key)).toEqual(ended);
  // A revoked key cannot be suspended or resumed.
  expect((await world.keys.suspend(keyId)).state).toBe('revoked');
  await expect(world.keys.resume(keyId)).rejects.toThrow('the key is revoked, for good: make another one');
  expect(await next(key)).toEqual(ended);
});

test('a new key is valid from the next request on, on every replica, until it expires', async () => {
  const next = await openReplicas();
  const { id: companyId } = await world.company();
  const draft = { companyId, integrationId: null, name: null, scopes: ['read:agents'] as const, allowedIps: [] };
  const { id, key } = await world.keys.create({ ...draft, expiresAt: '2999-12-31T00:00:00Z' });
  expect(await next(key)).toEqual(both(200));
  await world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [id]);
  expect(await next(key)).toEqual(ended);
  const late = await world.keys.create({ ...draft, expiresAt: '2020-01-31T12:00:00Z' });
  expect(await next(late.key)).toEqual(ended);
});

/** A company key with a special value in every column that a rotation copies. */
async function keyToRotate() {
  const { id: companyId, key, keyId } = await world.company();
  await world.sql.query(
    `UPDATE api_key SET name = 'Rotated', scopes = '{read:agents}', allowed_ips = '{127.0.0.0/8}', per_minute = 7,
                        per_hour = 70, expires_at = now() + interval '1 year' WHERE id = $1`,
    [keyId],
  );
  return { companyId, key, keyId };
}

const row = async (id: string) => (await world.sql.query('SELECT * FROM api_key WHERE id = $1', [id])).rows[0];
const expire = (id: string) => world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [id]);

test('a rotated key has every setting of the old one; both are valid during the overlap, then only the new one', async () => {
  const next = await openReplicas();
  const { companyId, key, keyId } = await keyToRotate();
  const before = await row(keyId);
  const rotated = await world.keys.rotate(keyId, 3_600);
  const { id, hash, start, created_at: createdAt, last_used_at, ...kept } = await row(rotated.id);
  expect(kept).toEqual(Object.fromEntries(Object.keys(kept).map((column) => [column, before[column]])));
  const { name, scopes, expires_at: expiresAt } = before;
  const shown = { id, companyId, start: rotated.key.slice(0, 8), createdAt, name, scopes, expiresAt };
  expect(rotated).toMatchObject(shown);
  expect(start).toBe(rotated.start);
  expect([rotated.key === key, id === keyId, hash === before.hash]).toEqual([false, false, false]);
  expect([await next(key), await next(rotated.key)]).toEqual([both(200), both(200)]);
  const { expires_at: end, ...rest } = await row(keyId);
  expect(rest).toEqual({ ...before, expires_at: undefined, last_used_at: rest.last_used_at });
  // The end of the overlap, by the database's clock.
  expect(end.getTime() - createdAt.getTime()).toBe(3_600_000);
  await expire(keyId);
  expect([await next(key), await next(rotated.key)]).toEqual([ended, both(200)]);
});

test('without an overlap the old key ends with its rotation', async () => {
  const next = await openReplicas();
  const { key, keyId } = await keyToRotate();
  const rotated = await world.keys.rotate(keyId, 0);
  expect([await next(key), await next(rotated.key)]).toEqual([ended, both(200)]);
});

test('an overlap never extends the expiry of the old key', async () => {
  const { keyId } = await keyToRotate();
  await world.sql.query(`UPDATE api_key SET expires_at = now() + interval '1 minute' WHERE id = $1`, [keyId]);
  const before = await row(keyId);
  await world.keys.rotate(keyId, 90);
  expect(await row(keyId)).toEqual(before);
});

const ends = {
  revoked: (id: string) => world.keys.revoke(id),
  suspended: (id: string) => world.keys.suspend(id),
  expired: expire,
};

test.for(Object.entries(ends))('a key that is %s cannot be rotated', async ([state, end]) => {
  const { companyId, keyId } = await keyToRotate();
  await end(keyId);
  const owner = { companyId, integrationId: null };
  const before = await world.keys.list(owner);
  await expect(world.keys.rotate(keyId, 60)).rejects.toThrow(
    `the key is ${state}: rotate an active one, or make a new key`,
  );
  expect(await world.keys.list(owner)).toEqual(before);
});

test('an ATS key can reach a company from the next request after its grant, and no longer after its revocation, on every replica', async () => {
  const next = await openReplicas();
  const { id, companyId } = await newSubject(world);
  const kept = await world.company();
  const ats = await world.ats(kept.id);
  const lines = ['GET /agents', `GET /agents/${id}`, `GET /agents/${id}/versions`, 'GET /phone-numbers'];
  const seen = async () => {
    const all = lines.map((line) => next(ats.key, `${line}?companyId=${companyId}`));
    return [...new Set((await Promise.all(all)).flat())];
  };
  const listed = async () => (await world.client(ats.key).companies()).data.data.map((company) => company.id);
  const rename = (name: string) => world.client(ats.key).patch(id, { name }, { query: { companyId } });
  expect([await seen(), await listed()]).toEqual([['COMPANY_ACCESS_DENIED'], [kept.id]]);
  await expectRefusal(world, id, () => rename('Too early'), { code: 'COMPANY_ACCESS_DENIED' });
  await world.companies.grant(ats.id, companyId);
  expect([await seen(), (await listed()).toSorted()]).toEqual([[200], [kept.id, companyId].toSorted()]);
  expect((await rename('In time')).status).toBe(200);
  await world.companies.revoke(ats.id, companyId);
  await expectRefusal(world, id, () => rename('Too late'), { code: 'COMPANY_ACCESS_DENIED' });
  expect([await seen(), await listed()]).toEqual([['COMPANY_ACCESS_DENIED'], [kept.id]]);
  expect(await next(ats.key, `GET /agents?companyId=${kept.id}`)).toEqual(both(200));
});
