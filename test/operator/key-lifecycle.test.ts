import { expect, test } from 'vitest';
import { time, uuid } from '../support/admin.ts';
import { parsedBy } from '../support/operator.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const admin = parsedBy(world);

const unauthorized = (code: string) => ({ status: 401, body: { code } });

test('creating, suspending, resuming, rotating and revoking a key takes effect with the next request', async () => {
  const company = await admin('company', 'create', '--name', 'Ünternehmen "A"');
  expect(company).toEqual({ id: uuid, name: 'Ünternehmen "A"' });
  const ofCompany = ['--company', company.id];
  const old = ['--name', 'Old', '--scopes', 'read:agents', '--expires', '2999-01-31T12:00:00+01:00'];
  const [agent, expired] = await Promise.all([
    admin('agent', 'create', ...ofCompany, '--name', 'New agent'),
    admin('key', 'create', ...ofCompany, ...old),
  ]);
  const key = await admin('key', 'create', ...ofCompany);
  const { key: text, ...shown } = key;
  expect(text).toMatch(/^sk_[0-9A-Za-z]{43}$/);
  expect(shown).toEqual({
    id: uuid,
    companyId: company.id,
    integrationId: null,
    name: null,
    start: text.slice(0, 8),
    scopes: ['read:agents', 'write:agents', 'delete:agents'],
    allowedIps: [],
    perMinute: null,
    perHour: null,
    state: 'active',
    createdAt: time,
    expiresAt: null,
    lastUsedAt: null,
  });
  const ofOld = { name: 'Old', scopes: ['read:agents'], state: 'active', expiresAt: '2999-01-31T11:00:00.000Z' };
  expect(expired).toMatchObject(ofOld);
  await world.sql.query('UPDATE api_key SET expires_at = now() WHERE id = $1', [expired.id]);

  const patch = (bearer: string) => world.patch(bearer, agent.id, {});
  expect(await patch(text)).toMatchObject({ status: 200, body: agent });
  expect(await patch(expired.key)).toMatchObject(unauthorized('INVALID_API_KEY'));

  expect(await admin('key', 'suspend', '--key', key.id)).toMatchObject({ id: key.id, state: 'suspended' });
  expect(await patch(text)).toMatchObject(unauthorized('API_KEY_SUSPENDED'));
  expect(await admin('key', 'resume', '--key', key.id)).toMatchObject({ id: key.id, state: 'active' });
  expect(await patch(text)).toMatchObject({ status: 200 });
  const rotated = await admin('key', 'rotate', '--key', key.id);
  expect(await patch(text)).toMatchObject(unauthorized('INVALID_API_KEY'));
  expect(await patch(rotated.key)).toMatchObject({ status: 200 });
  expect(await admin('key', 'revoke', '--key', rotated.id)).toMatchObject({ id: rotated.id, state: 'revoked' });
  expect(await patch(rotated.key)).toMatchObject(unauthorized('INVALID_API_KEY'));

  const list = await admin('key', 'list', ...ofCompany);
  const states = new Map(list.map(({ id, state }: { id: string; state: string }) => [id, state]));
  expect(states).toEqual(
    new Map([
      [expired.id, 'expired'],
      [key.id, 'expired'],
      [rotated.id, 'revoked'],
    ]),
  );
  expect(JSON.stringify(list)).not.toMatch(/sk_\w{6}/);
});

test('the rate limits of a key are printed by create and list, hold from the first request, and are kept by a rotation', async () => {
  const { id } = await world.company();
  const agent = await world.agent(id);
  const ofCompany = ['--company', id];
  const made = await admin('key', 'create', ...ofCompany, '--per-minute', '2', '--per-hour', '0');
  expect(made).toMatchObject({ perMinute: 2, perHour: 0 });
  const rotated = await admin('key', 'rotate', '--key', made.id, '--overlap-seconds', '60');
  expect(rotated).toMatchObject({ perMinute: 2, perHour: 0 });
  const list: object[] = await admin('key', 'list', ...ofCompany);
  expect(list.slice(1)).toMatchObject([made.id, rotated.id].map((id) => ({ id, perMinute: 2, perHour: 0 })));
  const answer = await world.patch(rotated.key, agent.id, {});
  expect(answer.headers).toMatchObject({ 'x-ratelimit-limit-minute': '2', 'x-ratelimit-remaining-minute': '1' });
  expect(answer.headers).not.toHaveProperty('x-ratelimit-limit-hour');
});

test('a rotated key and the old one are both valid during the overlap, and the list has both, oldest first', async () => {
  const ats = await world.ats((await world.company()).id);
  const { key, ...rotated } = await admin('key', 'rotate', '--key', ats.keyId, '--overlap-seconds', '3600');
  const companies = (bearer: string) => world.call(bearer, 'GET /companies');
  expect([(await companies(ats.key)).status, (await companies(key)).status]).toEqual([200, 200]);
  const list = await admin('key', 'list', '--integration', ats.id);
  // The last use is written after the answer, so it may not be there yet.
  const listed = { lastUsedAt: expect.toBeOneOf([null, time]), needsPreviousSecret: null };
  expect(list).toEqual([
    { ...rotated, id: ats.keyId, start: ats.key.slice(0, 8), createdAt: time, expiresAt: time, ...listed },
    { ...rotated, ...listed },
  ]);
});
