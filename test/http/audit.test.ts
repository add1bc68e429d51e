import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type AuditFilter, auditEntries } from '../../src/audit/repository.ts';
import { openDatabase } from '../../src/database/client.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { draft } from '../support/endpoints.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** The audit trail as the operator's command line reads it, without times. */
async function trail(filter: AuditFilter, limit = 100) {
  const database = openDatabase({ url: world.ownerUrl, connections: 1 });
  const entries = await auditEntries(database, filter, limit);
  await database.close();
  const times = entries.map(({ at }) => at.getTime());
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  return entries.map(({ at, ...entry }) => entry);
}

const byOperator = { operator: 'tester', keyId: null, requestId: null, address: null };
const noTarget = { companyId: null, integrationId: null, keyId: null, phoneNumberId: null, agentId: null };
const entry = (action: string, of: object, details: object = {}) => ({
  action,
  by: byOperator,
  ...noTarget,
  ...of,
  details,
});

test('every change of a key’s state has one audit entry, and a command that changes nothing has none', async () => {
  const { id: companyId } = await world.companies.createCompany('Audited');
  const draft = { companyId, integrationId: null, name: 'Audited', scopes: ['read:agents'] as const, expiresAt: null };
  const made = await world.keys.create({ ...draft, allowedIps: ['192.0.2.0/24'] });
  for (const step of ['suspend', 'suspend', 'resume', 'resume'] as const) await world.keys[step](made.id);
  const rotated = await world.keys.rotate(made.id, 0);
  await world.keys.revoke(rotated.id);
  await world.keys.revoke(rotated.id);
  const { expiresAt } = await world.keys.suspend(made.id);

  const ofOld = { companyId, keyId: made.id };
  const ofNew = { companyId, keyId: rotated.id };
  const limits = { perMinute: null, perHour: null };
  const drafted = {
    name: 'Audited',
    scopes: ['read:agents'],
    allowedIps: ['192.0.2.0/24'],
    expiresAt: null,
    ...limits,
  };
  const entries = await trail({ company: companyId });
  expect(entries.slice(0, 2)).toEqual([entry('key.suspended', ofOld), entry('key.revoked', ofNew)]);
  // One statement wrote both, with one time.
  expect(entries.slice(2, 4)).toEqual(
    expect.arrayContaining([
      entry('key.created', ofNew, { ...drafted, start: rotated.start }),
      entry('key.rotated', ofOld, { newKeyId: rotated.id, expiresAt: JSON.parse(JSON.stringify(expiresAt)) }),
    ]),
  );
  expect(entries.slice(4)).toEqual([
    entry('key.resumed', ofOld),
    entry('key.suspended', ofOld),
    entry('key.created', ofOld, { ...drafted, start: made.start }),
    entry('company.created', { companyId }, { name: 'Audited' }),
  ]);
  expect(await trail({ key: rotated.id })).toEqual(entries.filter(({ keyId }) => keyId === rotated.id));
  expect(JSON.stringify(entries)).not.toMatch(/sk_\w{6}/);
});

test('grants, revoked grants, integrations and phone numbers have one audit entry each', async () => {
  const { id: companyId } = await world.companies.createCompany('Granted');
  const { id: integrationId } = await world.companies.createIntegration('Audited ATS');
  for (let time = 0; time < 2; time += 1) await world.companies.grant(integrationId, companyId);
  for (let time = 0; time < 2; time += 1) await world.companies.revoke(integrationId, companyId);
  const { id: phoneNumberId } = await world.companies.addPhoneNumber(companyId, '+12025550123');
  for (let time = 0; time < 2; time += 1) await world.companies.deactivatePhoneNumber(phoneNumberId);
  expect(await trail({ company: companyId })).toEqual([
    entry('phone-number.deactivated', { companyId, phoneNumberId }),
    entry('phone-number.added', { companyId, phoneNumberId }),
    entry('integration.revoked', { companyId, integrationId }),
    entry('integration.granted', { companyId, integrationId }),
    entry('company.created', { companyId }, { name: 'Granted' }),
  ]);
  const { rows } = await world.sql.query('SELECT action FROM audit_entry WHERE integration_id = $1', [integrationId]);
  expect(rows).toContainEqual({ action: 'integration.created' });
});

test('the audit entry of a change by a key holds its request id and the caller’s address, also behind a trusted proxy', async () => {
  const { id, companyId, key, keyId } = await newSubject(world);
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  const json = { 'content-type': 'application/json' };
  const ask = (where: string, line: string, requestId: string, more: Record<string, string> = {}, body?: string) => {
    const [method = '', path = ''] = line.split(' ');
    const headers = { authorization: `Bearer ${key}`, 'x-request-id': requestId, ...more };
    return send(where, { method, path, headers, ...(body !== undefined && { body }) });
  };
  const ids = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const;
  await ask(
    world.origin,
    `PATCH /agents/${id}`,
    ids[0],
    { ...json, 'x-forwarded-for': '192.0.2.1' },
    '{"duration":31}',
  );
  await ask(
    origin,
    `PATCH /agents/${id}`,
    ids[1],
    { ...json, 'x-forwarded-for': '::ffff:192.0.2.1' },
    '{"duration":32}',
  );
  await ask(origin, `POST /agents/${id}/versions/1/restore`, ids[2], { 'x-forwarded-for': 'unknown' });
  expect((await ask(origin, `DELETE /agents/${id}`, ids[3], { 'x-forwarded-for': '2001:db8::7' })).status).toBe(204);

  const by = (at: 0 | 1 | 2 | 3, address: string | null) => ({ operator: null, keyId, requestId: ids[at], address });
  const ofAgent = { ...noTarget, companyId, agentId: id };
  const version = (number: number, changedFields: string[], restoredFrom: number | null = null) => ({
    details: { version: number, changedFields, restoredFrom },
  });
  const entries = await trail({ agent: id });
  const [, , , , made] = entries;
  expect(entries.slice(0, 4)).toEqual([
    { action: 'agent.deleted', by: by(3, '2001:db8::7'), ...ofAgent, details: {} },
    { action: 'agent.restored', by: by(2, null), ...ofAgent, ...version(4, ['duration'], 1) },
    { action: 'agent.changed', by: by(1, '192.0.2.1'), ...ofAgent, ...version(3, ['duration']) },
    { action: 'agent.changed', by: by(0, '127.0.0.1'), ...ofAgent, ...version(2, ['duration']) },
  ]);
  expect(made).toMatchObject({ action: 'agent.created', by: byOperator, ...ofAgent });
  expect(await trail({ key: keyId, agent: id })).toEqual(entries.slice(0, 4));
  expect(await trail({ agent: id }, 2)).toEqual(entries.slice(0, 2));
});

test('an agent that POST /agents creates has an audit entry with the caller’s address', async () => {
  const { id: company, key, keyId } = await world.company();
  const header = { 'X-Request-Id': 'made-by-request' };
  expect((await world.client(key).create(draft, { header })).status).toBe(201);
  const by = { operator: null, keyId, requestId: 'made-by-request', address: '127.0.0.1' };
  expect(await trail({ key: keyId, company }, 1)).toMatchObject([{ action: 'agent.created', by }]);
});

test('a refused deletion, and one of a deleted agent, have no audit entry', async () => {
  const { id, key } = await newSubject(world);
  const other = await world.company();
  const api = world.client(key);
  expect((await world.client(other.key).remove(id)).status).toBe(403);
  expect((await api.remove(id, { header: { 'If-Match': '"9"' } })).status).toBe(412);
  expect((await api.remove(id)).status).toBe(204);
  expect((await api.remove(id)).status).toBe(404);
  expect((await trail({ agent: id })).map(({ action }) => action)).toEqual(['agent.deleted', 'agent.created']);
});

test('`since` includes the time that it names, and `until` excludes it', async () => {
  const { id: company } = await world.company();
  const { rows } = await world.sql.query('SELECT created_at AS at FROM audit_entry WHERE company_id = $1 ORDER BY 1', [
    company,
  ]);
  const [first, second] = rows.map(({ at }: { at: Date }) => at.toISOString());
  expect((await trail({ company, since: second })).map(({ action }) => action)).toEqual(['key.created']);
  expect((await trail({ company, until: second })).map(({ action }) => action)).toEqual(['company.created']);
  expect(await trail({ company, since: first, until: first })).toEqual([]);
});
