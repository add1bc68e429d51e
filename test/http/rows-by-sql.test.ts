import { expect, onTestFinished, test } from 'vitest';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { parsedBy, printedBy } from '../support/operator.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openLimited } from '../support/time-limits.ts';
import { newWebhook, target, trailOf, webhookRow } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const parsed = parsedBy(world);

const first = '0001-01-01T00:00:00.000Z';
const last = '9999-12-31T23:59:59.999Z';
const times = [
  ['infinity', last],
  ['12026-02-03Z', last],
  ['0044-03-15Z BC', first],
  ['-infinity', first],
] as const;

/** The status and the body of an answer. */
async function ask(key: string, line: string, body?: unknown) {
  const answer = await world.call(key, line, { body });
  return [answer.status, answer.body];
}

const page = (data: readonly unknown[]) => [200, expect.objectContaining({ data })];

test.for(times)(
  'lists of phone numbers, endpoints and deliveries that SQL dated %s are answered',
  async ([time, shown]) => {
    const { id: companyId, key } = await world.company();
    const number = await world.phoneNumber(companyId);
    const [{ data }] = [Object((await world.call(key, 'GET /phone-numbers')).body)];
    await world.sql.query('UPDATE company_phone_number SET created_at = $2 WHERE id = $1', [number, time]);
    expect(await ask(key, 'GET /phone-numbers')).toEqual(page([{ ...data[0], createdAt: shown }]));

    const { id, shown: endpoint } = await newWebhook(world, key);
    const all =
      'created_at = $2, updated_at = $2, last_success_at = $2, last_failure_at = $2, previous_secret_until = $2';
    await world.sql.query(`UPDATE webhook_endpoint SET ${all} WHERE id = $1`, [id, time]);
    const dated = { createdAt: shown, updatedAt: shown, lastSuccessAt: shown, lastFailureAt: shown };
    expect(await ask(key, `GET /webhooks/${id}`)).toEqual([200, { ...endpoint, ...dated }]);
    expect(await ask(key, 'GET /webhooks')).toEqual(page([{ ...endpoint, ...dated }]));

    const { body: ping } = await world.call(key, `POST /webhooks/${id}/ping`);
    await world.sql.query(
      'UPDATE webhook_delivery SET created_at = $2, next_attempt_at = $2, finished_at = $2 WHERE endpoint_id = $1',
      [id, time],
    );
    expect(await ask(key, `GET /webhooks/${id}/deliveries`)).toEqual(
      page([{ ...Object(ping), createdAt: shown, nextAttemptAt: shown }]),
    );
  },
);

test.for(times)('an endpoint that SQL dated %s can be patched and disabled', async ([time, shown]) => {
  const { key } = await world.company();
  const { id, shown: endpoint } = await newWebhook(world, key);
  await world.sql.query('UPDATE webhook_endpoint SET created_at = $2, updated_at = $2 WHERE id = $1', [id, time]);
  const [status, body] = await ask(key, `PATCH /webhooks/${id}`, { description: 'dated' });
  const { updatedAt } = Object(body);
  expect([status, body]).toEqual([200, { ...endpoint, description: 'dated', createdAt: shown, updatedAt }]);
  expect(await ask(key, `GET /webhooks/${id}`)).toEqual([200, body]);
  expect(await webhookRow(world, id)).toMatchObject({ description: 'dated', status: 'ENABLED' });
  expect(await parsed('webhook', 'disable', '--id', id)).toMatchObject({
    id,
    status: 'DISABLED',
    createdAt: shown,
  });
  expect(await webhookRow(world, id)).toMatchObject({ status: 'DISABLED' });
});

test.for(times.slice(0, 2))(
  'a key that SQL lets expire at %s is shown as valid until the last moment',
  async ([time]) => {
    const { key, keyId, id: companyId } = await world.company();
    const { body } = await world.call(key, 'GET /api-key');
    await world.sql.query('UPDATE api_key SET expires_at = $2 WHERE id = $1', [keyId, time]);
    const [status, shown] = await ask(key, 'GET /api-key');
    const { lastUsedAt } = Object(shown);
    expect([status, shown]).toEqual([200, { ...Object(body), lastUsedAt, expiresAt: last }]);
    expect(await parsed('key', 'list', '--company', companyId)).toMatchObject([
      { id: keyId, state: 'active', expiresAt: last },
    ]);
  },
);

test.for(times)('a delivery that SQL dated %s does not keep others from being claimed', async ([time]) => {
  const { id, key, companyId } = await newSubject(world);
  const { id: endpoint } = await newWebhook(world, key);
  for (const duration of [7, 8]) await world.patch(key, id, { duration });
  const { id: other } = await world.agent(companyId);
  await world.patch(key, other, { duration: 9 });
  await world.sql.query('UPDATE webhook_delivery SET created_at = $3 WHERE endpoint_id = $1 AND agent_id = $2', [
    ...[endpoint, id, time],
  ]);
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const room = { healthy: 100, failing: 100, perHealthy: 10, perFailing: 10, running: new Map<string, number>() };
  const { claimed } = await deliveryRepository(database).claim(room);
  const ours = claimed.filter(({ endpointId }) => endpointId === endpoint);
  const claims = ours.map(({ body }) => JSON.parse(body).data).map(({ agentId, version }) => `${agentId} ${version}`);
  expect(claims.toSorted()).toEqual([`${id} 2`, `${other} 1`].toSorted());
  const { rows } = await world.sql.query(
    "SELECT agent_id || ' ' || version AS claim FROM webhook_delivery WHERE endpoint_id = $1 AND leased_until > now()",
    [endpoint],
  );
  expect(rows.map(({ claim }) => claim).toSorted()).toEqual(claims.toSorted());
  expect(ours.every(({ age }) => age >= 0)).toBe(true);
});

test('the audit trail and the export of a company show times and details that SQL stored', async () => {
  const { id, companyId } = await newSubject(world);
  await world.sql.query("UPDATE agent SET created_at = '12026-01-01Z', updated_at = 'infinity' WHERE id = $1", [id]);
  await world.sql.query(
    `INSERT INTO audit_entry (created_at, action, operator, company_id, details)
     VALUES ('infinity', 'by.sql', 'me', $1, 'null'), ('0044-03-15Z BC', 'by.sql', 'me', $1, '[1]')`,
    [companyId],
  );
  const trail = await parsed('audit', 'list', '--company', companyId);
  const ofSql = trail.filter(({ action }: { action: string }) => action === 'by.sql');
  expect(ofSql).toMatchObject([
    { at: last, details: null },
    { at: first, details: [1] },
  ]);
  const lines = (await printedBy(world)('company', 'export', '--company', companyId)).trimEnd().split('\n');
  const agents = lines.map((line) => JSON.parse(line)).filter(({ record }) => record === 'agent');
  expect(agents).toMatchObject([{ id, createdAt: last, updatedAt: last, deletedAt: null }]);
});

test('NULL in a list that SQL stored is left out of answers, and the row can still be patched', async () => {
  const { id: agent, key, keyId, companyId } = await newSubject(world);
  const before = Object((await world.call(key, 'GET /api-key')).body);
  await world.sql.query("UPDATE api_key SET scopes = scopes || NULL::text, allowed_ips = '{}' WHERE id = $1", [keyId]);
  const shown = Object((await world.call(key, 'GET /api-key')).body);
  expect(shown).toEqual({ ...before, lastUsedAt: shown.lastUsedAt });
  expect(await parsed('key', 'list', '--company', companyId)).toMatchObject([{ id: keyId, scopes: before.scopes }]);

  const { id, shown: endpoint } = await newWebhook(world, key);
  await world.sql.query(`UPDATE webhook_endpoint SET events = '{NULL,*}', header_names = '{NULL}' WHERE id = $1`, [id]);
  expect(await ask(key, 'GET /webhooks')).toEqual(page([endpoint]));
  const [status, patched] = await ask(key, `PATCH /webhooks/${id}`, { description: 'x' });
  const { updatedAt } = Object(patched);
  expect([status, patched]).toEqual([200, { ...endpoint, description: 'x', updatedAt }]);
  expect(await webhookRow(world, id)).toMatchObject({ events: ['*'], description: 'x' });

  const headers = { 'idempotency-key': 'once' };
  const answer = await world.patch(key, agent, { duration: 9 }, { headers });
  await world.sql.query("UPDATE idempotency_key SET changed_fields = '{NULL,duration}' WHERE api_key_id = $1", [keyId]);
  const again = await world.patch(key, agent, { duration: 9 }, { headers });
  expect([again.status, again.text, again.headers['changed-fields']]).toEqual([200, answer.text, 'duration']);
  await world.sql.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT agent_id, 0, created_at, snapshot, '{NULL,name}' FROM agent_version WHERE agent_id = $1 AND version = 1`,
    [agent],
  );
  const versions = Object((await world.call(key, `GET /agents/${agent}/versions`)).body).data;
  expect(versions).toMatchObject([{ version: 2 }, { version: 1 }, { version: 0, changedFields: ['name'] }]);
});

test('an endpoint whose URL SQL replaced by something else can be read, patched, given a URL, and deleted', async () => {
  const { key } = await world.company();
  const { id, shown: endpoint } = await newWebhook(world, key, { headers: { 'x-token': 'secret' } });
  const spoil = () => world.sql.query("UPDATE webhook_endpoint SET url = 'no url' WHERE id = $1", [id]);
  await spoil();
  const change = async (body: object) => {
    const [status, answer] = await ask(key, `PATCH /webhooks/${id}`, body);
    return [status, { ...Object(answer), updatedAt: endpoint.updatedAt }];
  };
  const spoiled = { ...endpoint, url: 'no url' };
  expect(await ask(key, 'GET /webhooks')).toEqual(page([spoiled]));
  expect(await change({ description: 'x' })).toEqual([200, { ...spoiled, description: 'x' }]);
  const mended = { ...endpoint, description: 'x', headerNames: [] };
  expect(await change({ url: target.url })).toEqual([200, mended]);
  expect(await webhookRow(world, id)).toMatchObject({ url: target.url, sealed_headers: null });
  await spoil();
  expect(await ask(key, `DELETE /webhooks/${id}`)).toEqual([204, undefined]);
  expect(await webhookRow(world, id)).toBeUndefined();
  const origins = (await trailOf(world, id)).map(({ action, details }) => [action, details.origin]);
  expect(origins.slice(1)).toEqual([
    ['webhook.updated', null],
    ['webhook.updated', new URL(target.url).origin],
    ['webhook.deleted', null],
  ]);
});
