import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook, requestOf } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** All columns of the deliveries of an endpoint, in order. */
async function stored(id: string) {
  const { rows } = await world.sql.query(
    'SELECT to_jsonb(d) - $$position$$ AS row FROM webhook_delivery d WHERE endpoint_id = $1 ORDER BY position',
    [id],
  );
  return rows.map(({ row }) => row);
}

const waiting = { status: 'PENDING', attempts: 0, lastStatus: null, lastError: null };

test('ping queues webhook.ping, whatever event types the endpoint has', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key, { events: ['agent.deleted'] });
  const answer = await world.call(key, `POST /webhooks/${id}/ping`);
  const [row] = await stored(id);
  const time = new Date(row.created_at).toISOString();
  const event = { eventId: row.event_id, eventType: 'webhook.ping', agentId: null, version: null };
  const shown = { id: row.id, ...event, ...waiting };
  expect([answer.status, answer.body]).toEqual([202, { ...shown, nextAttemptAt: time, createdAt: time }]);
  expect(row).toMatchObject({ company_id: companyId, event_id: expect.stringMatching(/^msg_[0-9a-f]{32}$/) });
  const data = { webhookId: id, requestId: requestOf(answer), keyId };
  expect(row.body).toBe(JSON.stringify({ type: 'webhook.ping', timestamp: time, data }));
});

test('the list of deliveries is newest first, filtered by status and agent, in pages, and shows nothing of the receiver’s answers but their status', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const [one, two] = [await world.agent(companyId), await world.agent(companyId)];
  await world.patch(key, one.id, { duration: 31 });
  const finish = (agentId: string, version: number, status: string) =>
    world.sql.query(
      `UPDATE webhook_delivery SET status = $3, attempts = 2, last_status = 500, last_error = 'It answered 500.', last_answer = 'secret',
              finished_at = now() WHERE agent_id = $1 AND version = $2`,
      [agentId, version, status],
    );
  await finish(one.id, 1, 'DELIVERED');
  await finish(two.id, 1, 'FAILED');
  const rows = (await stored(id)).toReversed();
  const shown = rows.map((row) => ({
    ...{ id: row.id, eventId: row.event_id, eventType: row.event_type, agentId: row.agent_id, version: row.version },
    ...{ status: row.status, attempts: row.attempts, lastStatus: row.last_status, lastError: row.last_error },
    nextAttemptAt: row.status === 'PENDING' ? new Date(row.next_attempt_at).toISOString() : null,
    createdAt: new Date(row.created_at).toISOString(),
  }));
  const list = async (query = '') => Object((await world.call(key, `GET /webhooks/${id}/deliveries${query}`)).body);
  const all = { total: 3, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false };
  expect(await list()).toEqual({ data: shown, pagination: all });
  expect((await list('?page=2&limit=1')).data).toEqual([shown[1]]);
  for (const status of ['PENDING', 'DELIVERED', 'FAILED']) {
    const some = shown.filter((delivery) => delivery.status === status);
    expect(await list(`?status=${status}`)).toEqual({ data: some, pagination: { ...all, total: 1 } });
  }
  expect((await list(`?agentId=${one.id.toUpperCase()}`)).data).toEqual([shown[0], shown[2]]);
  expect((await list(`?agentId=${two.id}&status=PENDING`)).data).toEqual([]);
});

test.each([
  ['status=delivered', 'status'],
  ['status=PENDING&status=FAILED', 'status'],
  ['agentId=1', 'agentId'],
  ['agentId=', 'agentId'],
  ['limit=0', 'limit'],
  ['page=0', 'page'],
  ['eventType=webhook.ping', 'eventType'],
])('the list of deliveries refuses ?%s and names the parameter', async (query, parameter) => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  const answer = await world.call(key, `GET /webhooks/${id}/deliveries?${query}`);
  expect([answer.status, Object(answer.body).errors]).toMatchObject([400, [{ in: 'query', parameter }]]);
});

test('redeliver queues the event again with its event id, outside the order of its agent', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const agent = await world.agent(companyId);
  await world.sql.query(
    `UPDATE webhook_delivery SET status = 'FAILED', attempts = 10, last_status = 500, last_error = 'e', last_answer = 'a',
            finished_at = now() WHERE endpoint_id = $1`,
    [id],
  );
  const [failed] = await stored(id);
  const answer = await world.call(key, `POST /webhooks/${id}/deliveries/${failed.id}/redeliver`);
  const [before, again] = await stored(id);
  const time = new Date(again.created_at).toISOString();
  const event = { eventId: failed.event_id, eventType: 'agent.created', agentId: agent.id, version: 1 };
  const shown = { id: again.id, ...event, ...waiting };
  expect([answer.status, answer.body]).toEqual([202, { ...shown, nextAttemptAt: time, createdAt: time }]);
  expect(before).toEqual(failed);
  const times = { created_at: again.created_at, next_attempt_at: again.next_attempt_at, finished_at: null };
  const fresh = { status: 'PENDING', attempts: 0, last_status: null, last_error: null, last_answer: null };
  expect(again).toEqual({ ...failed, id: again.id, is_redelivery: true, ...fresh, ...times });
});

test('a disabled endpoint refuses ping and redeliver, which is 404 first for an unknown delivery', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  await world.agent(companyId);
  const [{ id: deliveryId }] = await stored(id);
  await world.call(key, `PATCH /webhooks/${id}`, { body: { status: 'DISABLED' } });
  const detail = 'must be the id of a webhook that is ENABLED; enable it first';
  const errors = [{ in: 'path', parameter: 'id', code: 'not_allowed', detail } as const];
  for (const path of [`/webhooks/${id}/ping`, `/webhooks/${id}/deliveries/${deliveryId}/redeliver`]) {
    expectProblem(await world.call(key, `POST ${path}`), { code: 'VALIDATION_FAILED', instance: path, errors });
  }
  const unknown = `/webhooks/${id}/deliveries/${randomUUID()}/redeliver`;
  expectProblem(await world.call(key, `POST ${unknown}`), {
    ...{ code: 'RESOURCE_NOT_FOUND', instance: unknown },
    detail: problemTexts.deliveryMissing,
  });
  expect(await stored(id)).toHaveLength(1);
});

test('a delivery that is unknown or of another endpoint answers 404', async () => {
  const { id: companyId, key } = await world.company();
  const [one, two] = [await newWebhook(world, key), await newWebhook(world, key)];
  await world.agent(companyId);
  const [{ id: ofOne }] = await stored(one.id);
  for (const deliveryId of [ofOne, randomUUID()]) {
    const path = `/webhooks/${two.id}/deliveries/${deliveryId}/redeliver`;
    expectProblem(await world.call(key, `POST ${path}`), {
      ...{ code: 'RESOURCE_NOT_FOUND', instance: path },
      detail: problemTexts.deliveryMissing,
    });
  }
  expect(await stored(two.id)).toHaveLength(1);
});

test('an ATS can neither see nor redeliver events of a company that it no longer manages', async () => {
  const { id: companyId } = await world.company();
  const kept = await world.company();
  const ats = await world.ats(companyId, kept.id);
  const { id } = await newWebhook(world, ats.key);
  await world.agent(companyId);
  const agent = await world.agent(kept.id);
  await world.call(ats.key, `POST /webhooks/${id}/ping`);
  const [{ id: deliveryId }] = await stored(id);
  await world.companies.revoke(ats.id, companyId);
  const { body } = await world.call(ats.key, `GET /webhooks/${id}/deliveries`);
  expect(Object(body).data.map((delivery: object) => Object(delivery).agentId)).toEqual([null, agent.id]);
  expect(Object(body).pagination.total).toBe(2);
  const path = `/webhooks/${id}/deliveries/${deliveryId}/redeliver`;
  expectProblem(await world.call(ats.key, `POST ${path}`), {
    ...{ code: 'RESOURCE_NOT_FOUND', instance: path },
    detail: problemTexts.deliveryMissing,
  });
});
