import { expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** What two replicas, which share nothing but the database, answer to the next request with a key. */
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

test('suspend, resume and revoke hold from the next request on, on every replica', async () => {
  const next = await openReplicas();
  const { key, keyId } = await world.company();
  expect(await next(key)).toEqual(both(200));
  await world.keys.suspend(keyId);
  expect(await next(key)).toEqual(suspended);
  await world.keys.resume(keyId);
  expect(await next(key)).toEqual(both(200));
  await world.keys.revoke(keyId);
  expect(await next(key)).toEqual(ended);
  await world.keys.resume(keyId);
  expect(await next(key)).toEqual(ended);
});

test('a new key works from the next request on, on every replica, until it expires', async () => {
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

test('a rotated key has all that the old one had; both work during the overlap, then the new one alone', async () => {
  const next = await openReplicas();
  const { id: companyId, key, keyId } = await world.company();
  await world.sql.query(
    `UPDATE api_key SET name = 'Rotated', scopes = '{read:agents}', allowed_ips = '{127.0.0.0/8}', per_minute = 7,
                        per_hour = 70, expires_at = now() + interval '1 year' WHERE id = $1`,
    [keyId],
  );
  const row = async (id: string) => (await world.sql.query('SELECT * FROM api_key WHERE id = $1', [id])).rows[0];
  const before = await row(keyId);
  const renewed = await world.keys.rotate(keyId, 3_600);
  const { id, hash, start, created_at, last_used_at, ...kept } = await row(renewed.id);
  expect(kept).toEqual(Object.fromEntries(Object.keys(kept).map((column) => [column, before[column]])));
  expect({ id, companyId }).toEqual({ id: renewed.id, companyId: renewed.companyId });
  expect([await next(key), await next(renewed.key)]).toEqual([both(200), both(200)]);
  const { expires_at: end, ...rest } = await row(keyId);
  expect(rest).toEqual({ ...before, expires_at: undefined, last_used_at: rest.last_used_at });
  expect(Math.abs(end.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000);
  await world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [keyId]);
  expect([await next(key), await next(renewed.key)]).toEqual([ended, both(200)]);
});

test('a key that is suspended, revoked or expired cannot be rotated', async () => {
  const ends = [
    (id: string) => world.keys.suspend(id),
    (id: string) => world.keys.revoke(id),
    (id: string) => world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [id]),
  ];
  for (const end of ends) {
    const { id: companyId, keyId } = await world.company();
    await end(keyId);
    await expect(world.keys.rotate(keyId, 60)).rejects.toThrow(keyId);
    expect(await world.keys.list({ companyId, integrationId: null })).toHaveLength(1);
  }
});

test('an ATS key sees a granted company at once and loses a revoked one at once, on every replica', async () => {
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
  expect([await seen(), await listed()]).toEqual([['COMPANY_ACCESS_DENIED'], [kept.id]]);
  await world.companies.grant(ats.id, companyId);
  expect([await seen(), (await listed()).toSorted()]).toEqual([[200], [kept.id, companyId].toSorted()]);
  await world.companies.revoke(ats.id, companyId);
  expect([await seen(), await listed()]).toEqual([['COMPANY_ACCESS_DENIED'], [kept.id]]);
  expect(await next(ats.key, `GET /agents?companyId=${kept.id}`)).toEqual(both(200));
});
