import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { draft } from '../../support/endpoints.ts';
import { inOneBatch, untilWaiting, whileAgentLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { bodiesFor, inShort, newWebhook, requestOf } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('each change of an agent makes one event with the content of its history entry', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key);
  const created = await world.call(key, 'POST /agents', { body: draft });
  const agentId = String(Object(created.body).id);
  const patched = await world.patch(key, agentId, { duration: 45, metadata: { tier: 1 } });
  const restored = await world.call(key, `POST /agents/${agentId}/versions/1/restore`);
  const deleted = await world.call(key, `DELETE /agents/${agentId}`);
  const history = await world.history(agentId);
  const { rows } = await world.sql.query('SELECT deleted_at FROM agent WHERE id = $1', [agentId]);
  const data = { agentId, companyId, keyId };
  const of = (at: number) => ({
    timestamp: history[at]?.createdAt.toISOString(),
    data: {
      ...{ ...data, version: at + 1, changedFields: history[at]?.changedFields },
      ...{ restoredFrom: history[at]?.restoredFrom, requestId: history[at]?.requestId },
    },
  });
  expect(history.map(({ requestId }) => requestId)).toEqual([created, patched, restored].map(requestOf));
  expect(await bodiesFor(world, id)).toEqual([
    { type: 'agent.created', ...of(0) },
    { type: 'agent.updated', ...of(1) },
    { type: 'agent.updated', ...of(2) },
    {
      type: 'agent.deleted',
      timestamp: rows[0].deleted_at.toISOString(),
      data: { ...data, version: 3, changedFields: [], restoredFrom: null, requestId: requestOf(deleted) },
    },
  ]);
  expect(history[2]?.restoredFrom).toBe(1);
});

test('the members of an event are in the order of the contract, without white space', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key);
  const agent = await world.agent(companyId);
  const patched = await world.patch(key, agent.id, { duration: 45 });
  const { rows } = await world.sql.query('SELECT body FROM webhook_delivery WHERE endpoint_id = $1 AND version = 2', [
    id,
  ]);
  const { updatedAt } = Object(patched.body);
  const data = { agentId: agent.id, companyId, version: 2, changedFields: ['duration'], restoredFrom: null };
  const requestId = requestOf(patched);
  expect(rows).toEqual([
    { body: JSON.stringify({ type: 'agent.updated', timestamp: updatedAt, data: { ...data, requestId, keyId } }) },
  ]);
});

test('a PATCH without effect, a dry run, a refusal and a replay make no event', async () => {
  const { id: agentId, key } = await newSubject(world);
  const { id } = await newWebhook(world, key);
  const headers = { 'idempotency-key': randomUUID() };
  await world.patch(key, agentId, { duration: 31 }, { headers });
  expect((await world.patch(key, agentId, { duration: 31 }, { headers })).headers['idempotent-replayed']).toBe('true');
  expect((await world.patch(key, agentId, { duration: 31 })).status).toBe(200);
  expect((await world.patch(key, agentId, { duration: 32 }, { query: '?dryRun=true' })).status).toBe(200);
  expect((await world.patch(key, agentId, { duration: 32 }, { headers: { 'if-match': '"1"' } })).status).toBe(412);
  const one = { 'idempotency-key': randomUUID() };
  const first = await world.call(key, 'POST /agents', { body: draft, headers: one });
  expect((await world.call(key, 'POST /agents', { body: draft, headers: one })).body).toEqual(first.body);
  expect(inShort(await bodiesFor(world, id))).toEqual(['agent.updated 2', 'agent.created 1']);
});

test('a restore that is a dry run, changes nothing or is replayed makes no event, nor does a second deletion', async () => {
  const { id: agentId, key } = await newSubject(world);
  await world.patch(key, agentId, { duration: 31 });
  const { id } = await newWebhook(world, key);
  const restore = (version: number, query = '', headers = {}) =>
    world.call(key, `POST /agents/${agentId}/versions/${version}/restore${query}`, { headers });
  expect(await restore(1, '?dryRun=true')).toMatchObject({ status: 200, headers: { 'changed-fields': 'duration' } });
  expect(await restore(2)).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  const headers = { 'idempotency-key': randomUUID() };
  expect(await restore(1, '', headers)).toMatchObject({ status: 200, headers: { etag: '"3"' } });
  await world.patch(key, agentId, { duration: 33 });
  const replayed = { etag: '"3"', 'idempotent-replayed': 'true' };
  expect(await restore(1, '', headers)).toMatchObject({ status: 200, headers: replayed });
  const deletions = [
    await world.call(key, `DELETE /agents/${agentId}`),
    await world.call(key, `DELETE /agents/${agentId}`),
  ];
  expect(deletions.map(({ status }) => status)).toEqual([204, 404]);
  expect(inShort(await bodiesFor(world, id))).toEqual(['agent.updated 3', 'agent.updated 4', 'agent.deleted 4']);
});

test('a change that is rolled back makes no event', async () => {
  const { id: agentId, key } = await newSubject(world);
  const { id } = await newWebhook(world, key);
  await world.sql.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`);
  await world.sql.query(
    `CREATE TRIGGER fails AFTER INSERT ON webhook_delivery FOR EACH ROW WHEN (NEW.version = 2) EXECUTE FUNCTION fail()`,
  );
  expect((await world.patch(key, agentId, { duration: 31 })).status).toBe(500);
  await world.sql.query('DROP FUNCTION fail CASCADE');
  expect(await bodiesFor(world, id)).toEqual([]);
  expect((await world.history(agentId)).map(({ version }) => version)).toEqual([1]);
});

test('changes of one batch, and changes that run alone, make their events in the order of versions', async () => {
  const subject = await newSubject(world);
  const { id: agentId, key } = subject;
  const { id } = await newWebhook(world, key);
  const names = Array.from({ length: 8 }, (_, at) => `Name ${at}`);
  await inOneBatch(world, subject, () => Promise.all(names.map((name) => world.patch(key, agentId, { name }))));
  const alone = whileAgentLocked(world, agentId, async (release) => {
    const sent = Promise.all([
      world.patch(key, agentId, { duration: 61 }),
      world.patch(key, agentId, { duration: 62 }),
    ]);
    await world.call(key, `GET /agents/${agentId}`);
    await untilWaiting(world);
    await release();
    return await sent;
  });
  expect((await alone).map(({ status }) => status)).toEqual([200, 200]);
  const versions = (await world.history(agentId)).map(({ version }) => version).slice(1);
  expect(versions).toHaveLength(11);
  expect(inShort(await bodiesFor(world, id))).toEqual(versions.map((version) => `agent.updated ${version}`));
});

test('an endpoint that lists an event type twice, or beside the one for all, gets each event once', async () => {
  const { id: agentId, key } = await newSubject(world);
  const hooks = [
    await newWebhook(world, key, { events: ['agent.updated', 'agent.updated'] }),
    await newWebhook(world, key, { events: ['*', 'agent.updated', 'agent.created'] }),
  ];
  await world.patch(key, agentId, { duration: 31 });
  for (const { id } of hooks) expect(inShort(await bodiesFor(world, id))).toEqual(['agent.updated 2']);
});

test('an endpoint gets the event types that it lists at the time of the change', async () => {
  const { key } = await world.company();
  const wants = (...events: string[]) => newWebhook(world, key, { events });
  const [created, updated, all, disabled] = [
    await wants('agent.created'),
    await wants('agent.updated', 'agent.deleted'),
    await wants('*'),
    await wants('*'),
  ];
  await world.call(key, `PATCH /webhooks/${disabled.id}`, { body: { status: 'DISABLED' } });
  const agentId = String(Object((await world.call(key, 'POST /agents', { body: draft })).body).id);
  await world.patch(key, agentId, { duration: 31 });
  await world.call(key, `PATCH /webhooks/${disabled.id}`, { body: { status: 'ENABLED' } });
  await world.call(key, `PATCH /webhooks/${created.id}`, { body: { events: ['agent.updated'] } });
  await world.patch(key, agentId, { duration: 32 });
  await world.call(key, `DELETE /agents/${agentId}`);
  const got = async ({ id }: { id: string }) => inShort(await bodiesFor(world, id));
  expect(await got(created)).toEqual(['agent.created 1', 'agent.updated 3']);
  expect(await got(updated)).toEqual(['agent.updated 2', 'agent.updated 3', 'agent.deleted 3']);
  expect(await got(all)).toEqual(['agent.created 1', 'agent.updated 2', 'agent.updated 3', 'agent.deleted 3']);
  expect(await got(disabled)).toEqual(['agent.updated 3', 'agent.deleted 3']);
});
