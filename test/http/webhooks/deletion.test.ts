import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { draft } from '../../support/endpoints.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { expectProblem } from '../../support/problem.ts';
import { bodiesFor, inShort, newWebhook, requestOf, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Stores 5,000 deliveries, which are deleted in more than one transaction. */
const storePings = (id: string) =>
  world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, body)
     SELECT $1, 'msg_' || n, 'webhook.ping', '{}' FROM generate_series(1, 5000) n`,
    [id],
  );

async function countLeft(id: string): Promise<number> {
  const sql = 'SELECT count(*)::int AS left FROM webhook_delivery WHERE endpoint_id = $1';
  return (await world.sql.query(sql, [id])).rows[0].left;
}

test('DELETE /webhooks/:id deletes the endpoint and all its deliveries, however many', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key);
  await world.agent(companyId);
  await storePings(id);
  const answer = await world.call(key, `DELETE /webhooks/${id}`);
  expect([answer.status, answer.text]).toEqual([204, '']);
  expect(await webhookRow(world, id)).toBeUndefined();
  expect(await countLeft(id)).toBe(0);
  const details = { webhookId: id, origin: 'https://hooks.example.com' };
  const by = { operator: null, key: keyId, request: requestOf(answer), company: companyId, integration: null };
  expect((await trailOf(world, id)).slice(1)).toEqual([
    { action: 'webhook.updated', ...by, details: { ...details, changed: ['status'] } },
    { action: 'webhook.deleted', ...by, details },
  ]);
  const again = await world.call(key, `DELETE /webhooks/${id}`);
  expectProblem(again, {
    ...{ code: 'RESOURCE_NOT_FOUND', instance: `/webhooks/${id}` },
    detail: problemTexts.webhookMissing,
  });
});

test('a patch or creation of an agent succeeds while an endpoint of its company is being deleted', async () => {
  const { id: companyId, key } = await world.company();
  const { id: agentId } = await world.agent(companyId);
  const { id } = await newWebhook(world, key);
  const other = await newWebhook(world, key);
  const [created, changed] = await whileLocked(
    world,
    'DELETE FROM webhook_endpoint WHERE id = $1',
    [id],
    async (release) => {
      const creation = world.call(key, 'POST /agents', { body: draft });
      await untilWaiting(world);
      const change = world.patch(key, agentId, { duration: 31 });
      await untilWaiting(world, 2);
      await release('COMMIT');
      return await Promise.all([creation, change]);
    },
  );
  expect(changed).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  expect(created.status).toBe(201);
  expect(inShort(await bodiesFor(world, other.id)).toSorted()).toEqual(['agent.created 1', 'agent.updated 2']);
});

test('a deletion that is answered 503 has disabled the endpoint by then, and the same request ends it', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  await storePings(id);
  const databaseUrl = new URL(world.databaseUrl);
  databaseUrl.searchParams.set('options', '-c lock_timeout=200ms');
  const { origin } = await openAnotherServer(world, { databaseUrl: databaseUrl.href, longestRequest: 10_000 });
  const last = 'SELECT FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY position DESC LIMIT 1 FOR UPDATE';
  const refused = await whileLocked(world, last, [id], () => callsOf(origin).call(key, `DELETE /webhooks/${id}`));
  expectProblem(refused, { code: 'DATABASE_UNAVAILABLE', instance: `/webhooks/${id}` });
  const reason = 'It is being deleted.';
  expect(await webhookRow(world, id)).toMatchObject({ status: 'DISABLED', disabled_reason: reason });
  const shown = await world.call(key, `GET /webhooks/${id}`);
  expect(shown).toMatchObject({ status: 200, body: { status: 'DISABLED', disabledReason: reason } });
  const left = await countLeft(id);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(5_000);
  expect(await world.call(key, `DELETE /webhooks/${id}`)).toMatchObject({ status: 204 });
  expect([await webhookRow(world, id), await countLeft(id)]).toEqual([undefined, 0]);
});
