import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { makeKey, scopes } from '../../src/auth/api-key.ts';
import { operatorOf, printedBy } from '../support/operator.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const printed = printedBy(world);
const operate = operatorOf(world);
const operator = userInfo().username;

const entriesOf = async (keyId: string, action: string) => {
  const { rows } = await world.sql.query(
    'SELECT operator, company_id AS "companyId", details FROM audit_entry WHERE key_id = $1 AND action = $2 ORDER BY created_at',
    [keyId, action],
  );
  return rows;
};

test('key find looks up a key, given as an option or on standard input, and prints its owner and state but not the key', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const ats = await world.ats(companyId);
  const expected = { id: keyId, companyId, integrationId: null, ownerName: 'Test company', state: 'active' };
  const asOption = await operate(['key', 'find', '--key', key]);
  const asInput = await operate(['key', 'find'], `${key}\n`);
  expect(asOption).toEqual(asInput);
  expect(asOption).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(asOption.stdout)).toMatchObject({ ...expected, start: key.slice(0, 8) });
  await world.keys.revoke(keyId);
  expect(JSON.parse((await operate(['key', 'find'], key)).stdout)).toMatchObject({ ...expected, state: 'revoked' });
  const ofAts = JSON.parse((await operate(['key', 'find'], ats.key)).stdout);
  expect(ofAts).toMatchObject({ id: ats.keyId, companyId: null, integrationId: ats.id, ownerName: 'Test ATS' });
  expect(asOption.stdout).not.toContain(key.slice(0, 9));
  expect(await entriesOf(keyId, 'key.found')).toEqual(Array(3).fill({ operator, companyId, details: {} }));
});

test('a text that is no key of this server is refused without being printed, also in a wrong option of any command', async () => {
  const unknown = makeKey();
  const refused = (reason: RegExp) => ({ code: 1, stdout: '', stderr: expect.stringMatching(reason) });
  expect(await operate(['key', 'find', '--key', unknown])).toEqual(
    refused(/^error: no such key is stored under [^\n]+\n$/),
  );
  expect(await operate(['key', 'find'], 'sk_short')).toEqual(refused(/^error: this is no API key: [^\n]+\n$/));
  expect(await operate(['key', 'find'])).toEqual(refused(/^error: this is no API key: [^\n]+\n$/));
  const mistakes = [
    ['key', 'find', unknown],
    ['key', 'revoke', '--key', unknown],
    ['key', unknown],
    ['key', 'list', `--${unknown}`],
  ];
  for (const mistake of mistakes) {
    const { stdout, stderr } = await operate(mistake);
    expect(`${stdout}${stderr}`).toMatch(/^error: /);
    expect(`${stdout}${stderr}`).not.toContain(unknown.slice(0, 11));
  }
});

test('key update changes the given settings, and no others, from the next request of the key on', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const agent = await world.agent(companyId);
  const update = async (...options: string[]) => JSON.parse(await printed('key', 'update', '--key', keyId, ...options));
  const patch = () => world.patch(key, agent.id, {});
  const untouched = { id: keyId, companyId, start: key.slice(0, 8), state: 'active' };
  const all = [...scopes];

  expect(await update('--name', 'Production', '--per-minute', '7')).toMatchObject({
    ...{ ...untouched, name: 'Production', perMinute: 7, perHour: null, scopes: all, allowedIps: [], expiresAt: null },
  });
  expect((await patch()).headers).toMatchObject({ 'x-ratelimit-limit-minute': '7' });
  expect(await update('--per-hour', '0', '--per-minute', 'none')).toMatchObject({ perMinute: null, perHour: 0 });
  expect((await patch()).headers).not.toHaveProperty('x-ratelimit-limit-minute');
  expect(await update('--scopes', 'read:agents')).toMatchObject({ scopes: ['read:agents'], name: 'Production' });
  expect(await patch()).toMatchObject({ status: 403, body: { code: 'INSUFFICIENT_PERMISSIONS' } });
  await update('--scopes', all.join(','));
  const blocks = ['--allow-ip', '192.0.2.7', '--allow-ip', '2001:db8::/32'];
  expect(await update(...blocks)).toMatchObject({ allowedIps: ['192.0.2.7', '2001:db8::/32'] });
  expect(await patch()).toMatchObject({ status: 403, body: { code: 'IP_NOT_ALLOWED' } });
  expect(await update('--allow-ip', 'none')).toMatchObject({ allowedIps: [] });
  expect(await update('--expires', '2999-12-31')).toMatchObject({ expiresAt: '2999-12-31T00:00:00.000Z' });
  expect(await update('--expires', 'none')).toMatchObject({ expiresAt: null, state: 'active' });
  expect(await patch()).toMatchObject({ status: 200 });

  const before = await entriesOf(keyId, 'key.updated');
  expect(before.slice(0, 2)).toEqual([
    {
      ...{ operator, companyId },
      details: { name: { before: null, after: 'Production' }, perMinute: { before: null, after: 7 } },
    },
    { operator, companyId, details: { perMinute: { before: 7, after: null }, perHour: { before: null, after: 0 } } },
  ]);
  await update('--name', 'Production', '--expires', 'none');
  expect(await entriesOf(keyId, 'key.updated')).toEqual(before);
});

test('an expired key can be given a later expiry, and a revoked one cannot be changed or resumed', async () => {
  const { id: companyId } = await world.company();
  const { id, key } = await world.newKey(companyId);
  await world.sql.query("UPDATE api_key SET expires_at = now() - interval '1 hour' WHERE id = $1", [id]);
  expect(await world.call(key, 'GET /companies')).toMatchObject({ status: 401 });
  const extended = JSON.parse(await printed('key', 'update', '--key', id, '--expires', '2999-12-31'));
  expect(extended).toMatchObject({ state: 'active' });
  expect(await world.call(key, 'GET /companies')).toMatchObject({ status: 200 });
  await world.keys.suspend(id);
  await world.keys.revoke(id);
  const stored = await world.sql.query('SELECT * FROM api_key WHERE id = $1', [id]);
  const refused = { code: 1, stdout: '', stderr: 'error: the key is revoked, for good: make another one\n' };
  expect(await operate(['key', 'update', '--key', id, '--expires', 'none'])).toEqual(refused);
  expect(await operate(['key', 'resume', '--key', id])).toEqual(refused);
  expect((await world.sql.query('SELECT * FROM api_key WHERE id = $1', [id])).rows).toEqual(stored.rows);
});

test('key suspend shows a revoked key and changes nothing of it, whatever it was before, also not in the trail', async () => {
  const { id: companyId } = await world.company();
  const wasActive = await world.newKey(companyId);
  const wasSuspended = await world.newKey(companyId);
  await world.keys.suspend(wasSuspended.id);
  for (const { id } of [wasActive, wasSuspended]) {
    await world.keys.revoke(id);
    const stored = async () => [
      (await world.sql.query('SELECT * FROM api_key WHERE id = $1', [id])).rows,
      (await world.sql.query('SELECT * FROM audit_entry WHERE key_id = $1 ORDER BY created_at, id', [id])).rows,
    ];
    const before = await stored();
    const { code, stdout } = await operate(['key', 'suspend', '--key', id]);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { id, state: 'revoked' }]);
    expect(await stored()).toEqual(before);
  }
});
