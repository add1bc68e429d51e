import { userInfo } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { time, uuid } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { operatorOf, parsedBy } from '../support/operator.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const admin = parsedBy(world);

test('integration grant and revoke take effect with the next request', async () => {
  const { id: companyId } = await world.company();
  const { id: agentId } = await world.agent(companyId);
  const integration = await admin('integration', 'create', '--name', 'ATS');
  expect(integration).toEqual({ id: uuid, name: 'ATS' });
  const pair = ['--integration', integration.id, '--company', companyId];
  const granted = await admin('integration', 'grant', ...pair);
  expect(granted).toEqual({ integrationId: integration.id, companyIds: [companyId] });
  const key = await admin('key', 'create', '--integration', integration.id, '--scopes', 'write:agents');
  expect(key).toMatchObject({ companyId: null, integrationId: integration.id, scopes: ['write:agents'] });
  const patch = () => world.patch(key.key, agentId, {}, { query: `?companyId=${companyId}` });
  expect(await patch()).toMatchObject({ status: 200 });
  const revoked = await admin('integration', 'revoke', ...pair);
  expect(revoked).toEqual({ integrationId: integration.id, companyIds: [] });
  expect(await patch()).toMatchObject({ status: 403, body: { code: 'COMPANY_ACCESS_DENIED' } });
  expect(await admin('integration', 'list')).toEqual([integration]);
  const { rows } = await world.sql.query('SELECT id, name FROM company ORDER BY created_at, id');
  expect(await admin('company', 'list')).toEqual(rows);
});

test('phone numbers and agents can be created, listed and ended, and each is printed as stored', async () => {
  const { id: companyId, key } = await world.company();
  const ofCompany = ['--company', companyId];
  const number = await admin('phone-number', 'add', ...ofCompany, '--number', '+12025550123');
  expect(number).toEqual({ id: uuid, number: '+12025550123', companyId, status: 'ACTIVE' });
  const later = await world.companies.addPhoneNumber(companyId, '+12025550124');
  const fields = { type: 'PHONE', companyPhoneNumberId: number.id, questions: ['Why?'], metadata: { a: null, b: 1 } };
  const agent = await admin('agent', 'create', ...ofCompany, '--name', 'Caller', '--json', JSON.stringify(fields));
  expect(agent).toEqual((await world.patch(key, agent.id, {})).body);
  expect(agent).toMatchObject({ companyId, name: 'Caller', type: 'PHONE', questions: ['Why?'], metadata: { b: 1 } });
  const { body: second } = await world.patch(key, agent.id, { duration: 31 });

  const inactive = { ...number, status: 'INACTIVE' };
  const [deactivated, agents] = await Promise.all([
    admin('phone-number', 'deactivate', '--id', number.id),
    admin('agent', 'list', ...ofCompany),
  ]);
  expect(deactivated).toEqual(inactive);
  expect(agents).toEqual([second]);
  const [numbers, deleted] = await Promise.all([
    admin('phone-number', 'list', ...ofCompany),
    admin('agent', 'delete', '--id', agent.id.toUpperCase()),
  ]);
  expect(numbers).toEqual([inactive, later]);
  expect(deleted).toMatchObject({ id: agent.id });
  expect(await world.patch(key, agent.id, {})).toMatchObject({ status: 404 });
  expect(await world.row(agent.id)).toContain(agent.id);
  const [left, purged] = await Promise.all([
    admin('agent', 'list', ...ofCompany),
    admin('agent', 'purge', '--id', agent.id),
  ]);
  expect(left).toEqual([]);
  expect(purged).toEqual({ id: agent.id, versions: 2 });
  expect(await world.row(agent.id)).toBeUndefined();
  expect(await world.history(agent.id)).toEqual([]);
});

test('agent create refuses numbers that POST /agents refuses, also those that JavaScript reads as 0', async () => {
  const { id: companyId, key } = await world.company();
  const create = (metadata: string) => {
    const fields = ['--name', 'Numbers', '--json', `{"metadata":${metadata}}`];
    return operatorOf(world)(['agent', 'create', '--company', companyId, ...fields]);
  };
  const places = { '{"n":1e-400}': 'n', '{"list":[0,-0.1E-00323]}': 'list/1', [`{"n":0.${'0'.repeat(400)}1}`]: 'n' };
  for (const [metadata, place] of Object.entries(places)) {
    expect(await create(metadata)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        `error: 1 problem: #/metadata/${place} must have at most 40 characters when written without an ` +
        'exponent; round it, or send it as a string\n',
    });
  }
  expect(await admin('agent', 'list', '--company', companyId)).toEqual([]);
  const accepted = await create('{"text":"1e-400","list":[0,-0e-400,1e-38]}');
  expect(accepted).toMatchObject({ code: 0, stderr: '' });
  const agent = JSON.parse(accepted.stdout);
  expect(agent.metadata).toEqual({ text: '1e-400', list: [0, 0, 1e-38] });
  expect((await world.patch(key, agent.id, {})).body).toEqual(agent);
});

test('agent list prints all agents, without pages', async () => {
  const { id: companyId } = await world.company();
  const made = [];
  for (let count = 0; count < 21; count += 1) made.push(await world.agent(companyId));
  // Some may have the same creation millisecond.
  const newestFirst = made.toSorted((a, b) => (`${a.createdAt}${a.id}` < `${b.createdAt}${b.id}` ? 1 : -1));
  expect(await admin('agent', 'list', '--company', companyId)).toEqual(newestFirst);
});

test('agent list is bound by the limits of commands, not by those of requests', async () => {
  const { id: companyId } = await world.company();
  const agent = await world.agent(companyId);
  const database = new URL(world.ownerUrl).pathname.slice(1);
  const lockTimeout = (value: string) =>
    run(world.ownerUrl, `ALTER ROLE CURRENT_USER IN DATABASE ${database} SET lock_timeout = '${value}'`);
  await lockTimeout('1ms');
  onTestFinished(async () => {
    await lockTimeout('1s');
  });
  const listed = await whileLocked(world, 'LOCK TABLE agent IN ACCESS EXCLUSIVE MODE', [], async (release) => {
    const listing = admin('agent', 'list', '--company', companyId);
    await Promise.race([untilWaiting(world), listing]);
    await release();
    return await listing;
  });
  expect(listed).toEqual([agent]);
});

test('audit list prints changes by operators on this machine and by keys in requests, newest first', async () => {
  const { username: operator } = userInfo();
  const company = await admin('company', 'create', '--name', 'Audited');
  const ofCompany = ['--company', company.id];
  const key = await admin(
    'key',
    'create',
    ...ofCompany,
    '--name',
    'One',
    '--allow-ip',
    '127.0.0.0/8',
    '--allow-ip',
    '::1',
  );
  expect(key.allowedIps).toEqual(['127.0.0.0/8', '::1']);
  const agent = await admin('agent', 'create', ...ofCompany, '--name', 'New agent');
  expect((await world.patch(key.key, agent.id, { duration: 31 })).status).toBe(200);
  await admin('agent', 'delete', '--id', agent.id);

  const none = { companyId: company.id, integrationId: null, keyId: null, phoneNumberId: null, agentId: null };
  const byOperator = { operator, keyId: null, requestId: null, address: null };
  const byKey = { operator: null, keyId: key.id, requestId: expect.any(String), address: '127.0.0.1' };
  const changed = { version: 2, changedFields: ['duration'], restoredFrom: null };
  const created = { version: 1, changedFields: expect.any(Array), restoredFrom: null };
  const { name, start, scopes, allowedIps, expiresAt, perMinute, perHour } = key;
  const details = { name, start, scopes, allowedIps, expiresAt, perMinute, perHour };
  const expected = [
    { at: time, action: 'agent.deleted', by: byOperator, ...none, agentId: agent.id, details: {} },
    { at: time, action: 'agent.changed', by: byKey, ...none, agentId: agent.id, details: changed },
    { at: time, action: 'agent.created', by: byOperator, ...none, agentId: agent.id, details: created },
    { at: time, action: 'key.created', by: byOperator, ...none, keyId: key.id, details },
    { at: time, action: 'company.created', by: byOperator, ...none, details: { name: 'Audited' } },
  ];
  expect(await admin('audit', 'list', ...ofCompany)).toEqual(expected);
  const [deleted, ...others] = await admin('audit', 'list', '--agent', agent.id, '--limit', '4');
  expect([deleted, ...others]).toEqual(expected.slice(0, 3));
  expect(await operatorOf(world)(['audit', 'list', '--agent', agent.id, '--limit', '2'])).toEqual({
    code: 0,
    stdout: `${JSON.stringify([deleted, others[0]], undefined, 2)}\n`,
    stderr: 'these are the newest 2, there may be older ones: raise --limit, or add --until\n',
  });
  expect(await admin('audit', 'list', '--key', key.id)).toEqual([expected[1], expected[3]]);
  expect(await admin('audit', 'list', ...ofCompany, '--since', deleted.at)).toEqual([expected[0]]);
  expect(await admin('audit', 'list', ...ofCompany, '--until', deleted.at)).toEqual(expected.slice(1));

  await admin('agent', 'purge', '--id', agent.id);
  const left = await admin('audit', 'list', '--agent', agent.id);
  const purged = { at: time, action: 'agent.purged', by: byOperator, ...none, agentId: agent.id, details: {} };
  expect(left).toEqual([purged, expected[0]]);
});
