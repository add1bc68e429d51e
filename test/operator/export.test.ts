import { userInfo } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { scopes } from '../../src/auth/api-key.ts';
import { readConfig } from '../../src/config.ts';
import { operatorProgram } from '../../src/operator/program.ts';
import { time, uuid } from '../support/admin.ts';
import { operatorOf, printedBy } from '../support/operator.ts';
import { newWebhook, target } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const printed = printedBy(world);

const linesOf = async (companyId: string) => {
  const text = await printed('company', 'export', '--company', companyId);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};

test('an export holds the phone numbers, grants, keys, agents with all versions, and audit trail of the company, and nothing of another', async () => {
  const [{ id: companyId, key, keyId }, other] = [await world.company(), await world.company()];
  await world.agent(other.id);
  const numberId = await world.phoneNumber(companyId);
  const { id: integrationId } = await world.ats(companyId);
  await world.ats(other.id);
  const first = await world.agent(companyId, { metadata: { department: 'Sales', '1': [1.5, null] } });
  const headers = { 'x-request-id': 'request-of-the-export' };
  await world.patch(key, first.id, { type: 'PHONE', companyPhoneNumberId: numberId }, { headers });
  const fields = { headers: { authorization: 'a private value' }, description: 'Our ATS' };
  const webhook = await newWebhook(world, key, fields);
  const second = await world.agent(companyId);
  await world.agents.delete({ id: second.id, by: { operator: 'tester' }, companyId: null, version: null });

  const lines = await linesOf(companyId);
  const of = (record: string) =>
    lines.filter((line) => line.record === record).map(({ record: _, ...members }) => members);
  expect(new Set(lines.map(({ record }) => record))).toEqual(
    new Set(['company', 'phoneNumber', 'grant', 'key', 'webhookEndpoint', 'agent', 'version', 'auditEntry']),
  );
  expect(of('company')).toEqual([{ id: companyId, name: 'Test company', createdAt: time }]);
  expect(of('phoneNumber')).toEqual([
    { id: numberId, companyId, number: '+12025550123', status: 'ACTIVE', createdAt: time },
  ]);
  expect(of('grant')).toEqual([{ integrationId, companyId, grantedAt: time }]);
  expect(of('key')).toEqual([
    {
      ...{ id: keyId, companyId, name: null, start: key.slice(0, 8), allowedIps: [], perMinute: null, perHour: null },
      scopes,
      ...{ createdAt: time, expiresAt: null, suspendedAt: null, revokedAt: null },
      lastUsedAt: expect.toBeOneOf([null, time]),
    },
  ]);
  expect(of('webhookEndpoint')).toEqual([
    {
      ...{ id: webhook.id, companyId, url: target.url, events: target.events, description: 'Our ATS' },
      ...{ headerNames: ['authorization'], status: 'ENABLED', disabledReason: null, createdAt: time, updatedAt: time },
      ...{ lastSuccessAt: null, lastFailureAt: null },
    },
  ]);
  expect(JSON.stringify(lines)).not.toMatch(/whsec_|a private value|sealed/i);
  const changed = { ...first, type: 'PHONE', updatedAt: time };
  const agents = [
    { ...changed, version: 2, companyPhoneNumberId: numberId, deletedAt: null },
    { ...second, version: 1, companyPhoneNumberId: null, deletedAt: time },
  ];
  expect(of('agent')).toEqual(agents.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  const histories = [...(await world.history(first.id)), ...(await world.history(second.id))];
  const versions = of('version').toSorted((a, b) => (a.agentId === b.agentId ? a.version - b.version : 0));
  expect(versions.filter(({ agentId }) => agentId === first.id)).toEqual([
    expect.objectContaining({ version: 1, keyId: null, operator: 'tester', requestId: null, callerAddress: null }),
    expect.objectContaining({ version: 2, keyId, operator: null, ...{ requestId: 'request-of-the-export' } }),
  ]);
  expect(versions.map(({ snapshot }) => snapshot)).toEqual(expect.arrayContaining(histories.map((h) => h.snapshot)));
  expect(versions).toHaveLength(histories.length);

  const trail = of('auditEntry');
  expect(trail.map(({ action }) => action)).toEqual([
    'company.created',
    'key.created',
    'phone-number.added',
    'integration.granted',
    'webhook.created',
    'agent.deleted',
    'company.exported',
  ]);
  expect(trail.at(-1)).toEqual({
    ...{ id: uuid, createdAt: time, action: 'company.exported', operator: userInfo().username, companyId },
    ...{ actingKeyId: null, requestId: null, callerAddress: null, integrationId: null, keyId: null },
    ...{ phoneNumberId: null, agentId: null, details: {} },
  });
  const { rows } = await world.sql.query('SELECT hash FROM api_key WHERE id = $1', [keyId]);
  expect(JSON.stringify(lines)).not.toContain(rows[0].hash);
});

test('an export of several batches holds each agent and version once, in order, with the fields that its release stored', async () => {
  const { id: companyId } = await world.company();
  // More than one batch of agents, and more than one batch of versions, in total and for one agent.
  await world.sql.query(
    `WITH made AS (
       INSERT INTO agent (company_id, version, name, type, focus, language, duration)
       SELECT $1, CASE n WHEN 1 THEN 120 ELSE 2 END, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30
         FROM generate_series(1, 130) n RETURNING id, version
     )
     INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
     SELECT id, v, now(), '{"metadata": {"number": 1e400}}', '{}', 'tester' FROM made, generate_series(1, version) v`,
    [companyId],
  );
  const text = await printed('company', 'export', '--company', companyId);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const agents = lines.filter(({ record }) => record === 'agent').map(({ id }) => id);
  expect(agents).toEqual([...new Set(agents)].toSorted());
  expect(agents).toHaveLength(130);
  const versions = lines.filter(({ record }) => record === 'version');
  const place = (id: string, version: number) => `${id} ${String(version).padStart(3, '0')}`;
  const places = versions.map(({ agentId, version }) => place(agentId, version));
  expect(places).toEqual([...new Set(places)].toSorted());
  expect(places).toHaveLength(129 * 2 + 120);
  expect(new Set(versions.map(({ snapshot }) => Object.keys(snapshot).join()))).toEqual(new Set(['metadata']));
  // A number that JavaScript cannot hold is written as PostgreSQL writes it.
  expect(text).toContain(`1${'0'.repeat(400)}`);
});

test('an export reads no more of a company than the reader of its output takes', async () => {
  const { id: companyId } = await world.company();
  await world.sql.query(
    `INSERT INTO agent (company_id, name, type, focus, language, duration)
     SELECT $1, 'Agent ' || n, 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(1, 5000) n`,
    [companyId],
  );
  let text = '';
  let take = () => {};
  // The first write completes when `take` is called.
  const stdout = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      if (text.length === String(chunk).length) take = done;
      else done();
    },
  });
  const env = { DATABASE_URL: world.ownerUrl, API_KEY_SECRET: world.secret };
  const streams = { stdin: Readable.from([]), stdout, stderr: process.stderr };
  const program = operatorProgram(() => readConfig(env), streams);
  const exported = program.parseAsync(['company', 'export', '--company', companyId], { from: 'user' });
  const lastRead = async () => {
    const { rows } = await world.sql.query(
      `SELECT max(query_start)::text AS at FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE '%interview-agents-api'`,
    );
    return rows[0].at;
  };
  await expect.poll(() => text).not.toBe('');
  // Done when two successive looks find the same position.
  let last: unknown;
  await expect
    .poll(
      async () => {
        const before = last;
        last = await lastRead();
        return before === last;
      },
      { interval: 200 },
    )
    .toBe(true);
  // What has not been read by now is not in the export.
  await world.sql.query('DELETE FROM agent WHERE company_id = $1', [companyId]);
  take();
  await exported;
  expect(text.match(/"record" : "agent"/g)?.length).toBeLessThan(1_000);
  expect(text).toContain('company.exported');
});

test('an export of an unknown company writes nothing', async () => {
  const nowhere = '00000000-0000-4000-8000-000000000000';
  expect(await operatorOf(world)(['company', 'export', '--company', nowhere])).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: there is no company with the id ${nowhere}\n`,
  });
});
