import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { deliverySchema, webhookSchema } from '../../../src/webhooks/schema.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook, target, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const keyed = (key = randomUUID()) => ({ 'idempotency-key': key });

/** The kept answers of a key. */
async function kept(keyId: string) {
  const { rows } = await world.sql.query(
    'SELECT webhook_id AS id, answer::text AS answer, agent_id FROM idempotency_key WHERE api_key_id = $1',
    [keyId],
  );
  return rows;
}

test('a repeated POST /webhooks creates one endpoint and gets the same answer, and the kept answer holds no secret', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const headers = keyed();
  const create = () => world.call(key, 'POST /webhooks', { body: target, headers });
  const first = await create();
  const again = await create();
  expect([again.status, again.text]).toEqual([201, first.text]);
  expect(again.headers).toMatchObject({ location: first.headers.location, 'idempotent-replayed': 'true' });
  const { secret, ...shown } = Object(first.body);
  expect(await kept(keyId)).toEqual([{ id: shown.id, answer: JSON.stringify(shown), agent_id: null }]);
  expect(secret).toMatch(/^whsec_/);
  const { rows } = await world.sql.query('SELECT id FROM webhook_endpoint WHERE company_id = $1', [companyId]);
  expect(rows).toEqual([{ id: shown.id }]);
  await world.call(key, `DELETE /webhooks/${shown.id}`);
  expectProblem(await create(), {
    ...{ code: 'RESOURCE_NOT_FOUND', instance: '/webhooks' },
    detail: problemTexts.webhookMissing,
  });
});

test('a repeated creation or rotation changes nothing, and answers the endpoint’s current secret', async () => {
  const { key } = await world.company();
  const [creation, rotation] = [keyed(), keyed()];
  const secretOf = async (line: string, headers?: Record<string, string>, body?: object) =>
    Object((await world.call(key, line, { ...(headers && { headers }), ...(body && { body }) })).body).secret;
  const create = () => secretOf('POST /webhooks', creation, target);
  const made = await world.call(key, 'POST /webhooks', { body: target, headers: creation });
  const rotate = `POST /webhooks/${Object(made.body).id}/rotate-secret`;
  const second = await secretOf(rotate, rotation);
  expect(await create()).toBe(second);
  const third = await secretOf(rotate);
  expect([await create(), await secretOf(rotate, rotation)]).toEqual([third, third]);
  expect(new Set([Object(made.body).secret, second, third]).size).toBe(3);
});

test('of twenty parallel requests with one idempotency key, sent to two servers, one is carried out', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { origin } = await openAnotherServer(world);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...keyed() };
  const sent = { method: 'POST', path: '/webhooks', headers, body: JSON.stringify(target) };
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => send(at % 2 ? origin : world.origin, sent)));
  expect(answers.map(({ status, text }) => [status, text])).toEqual(Array(20).fill([201, answers[0]?.text]));
  expect(answers.filter((answer) => answer.headers['idempotent-replayed'] === undefined)).toHaveLength(1);
  expect(await kept(keyId)).toHaveLength(1);
  const { rows } = await world.sql.query('SELECT id FROM webhook_endpoint WHERE company_id = $1', [companyId]);
  expect(rows).toHaveLength(1);
});

test('repeated patches, rotations, pings and redeliveries are carried out once', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  await world.agent(companyId);
  const { body } = await world.call(key, `GET /webhooks/${id}/deliveries`);
  const lines = [
    [`PATCH /webhooks/${id}`, { description: 'Once' }],
    [`POST /webhooks/${id}/rotate-secret`],
    [`POST /webhooks/${id}/ping`],
    [`POST /webhooks/${id}/deliveries/${Object(body).data[0].id}/redeliver`],
  ] as const;
  for (const [line, patch] of lines) {
    const headers = keyed();
    const first = await world.call(key, line, { headers, body: patch });
    const row = await webhookRow(world, id);
    const again = await world.call(key, line, { headers, body: patch });
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect([first.headers['idempotent-replayed'], again.headers['idempotent-replayed']]).toEqual([undefined, 'true']);
    expect(await webhookRow(world, id)).toEqual(row);
  }
  const { rows } = await world.sql.query('SELECT FROM webhook_delivery WHERE endpoint_id = $1', [id]);
  expect(rows).toHaveLength(3);
  expect((await trailOf(world, id)).map(({ action }) => action)).toEqual([
    ...['webhook.created', 'webhook.updated', 'webhook.secret-rotated'],
  ]);
});

/** Members of answers that are null if the release that kept an answer did not have them. */
const nullable = {
  webhook: { description: null, disabledReason: null, lastSuccessAt: null, lastFailureAt: null },
  delivery: { agentId: null, version: null, nextAttemptAt: null, lastStatus: null, lastError: null },
};

test('a kept answer is repeated if the release that kept it had fewer members, with null for those that it lacks', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key);
  await world.agent(companyId);
  const { body: listed } = await world.call(key, `GET /webhooks/${id}/deliveries`);
  const requests = [
    ['POST /webhooks', nullable.webhook, { ...target, description: 'New' }],
    [`PATCH /webhooks/${id}`, nullable.webhook, { description: 'Kept' }],
    [`POST /webhooks/${id}/rotate-secret`, nullable.webhook, undefined],
    [`POST /webhooks/${id}/ping`, nullable.delivery, undefined],
    [`POST /webhooks/${id}/deliveries/${Object(listed).data[0].id}/redeliver`, nullable.delivery, undefined],
  ] as const;
  for (const [line, missing, body] of requests) {
    const headers = keyed();
    const first = await world.call(key, line, { headers, body });
    await world.sql.query(
      'UPDATE idempotency_key SET answer = (answer::jsonb - $2::text[])::json WHERE api_key_id = $1',
      [keyId, Object.keys(missing)],
    );
    const row = await webhookRow(world, id);
    const again = await world.call(key, line, { headers, body });
    expect([line, again.status, again.body]).toEqual([line, first.status, { ...Object(first.body), ...missing }]);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(await webhookRow(world, id)).toEqual(row);
  }
});

test('a member that answers about webhooks have got later can be null, as kept answers lack it', () => {
  const always = ({ properties }: typeof webhookSchema | typeof deliverySchema) =>
    Object.entries(properties).flatMap(([name, { type }]) => (Array.isArray(type) ? [] : [name]));
  expect(always(webhookSchema)).toEqual([
    ...['id', 'url', 'events', 'headerNames', 'status', 'createdAt', 'updatedAt'],
  ]);
  expect(always(deliverySchema)).toEqual(['id', 'eventId', 'eventType', 'status', 'attempts', 'createdAt']);
});

test('once an endpoint is deleted, answers with its secret are repeated as 404, and others as they were', async () => {
  const { key } = await world.company();
  const { id } = await newWebhook(world, key);
  const requests = [
    [`PATCH /webhooks/${id}`, { description: 'Kept' }],
    [`POST /webhooks/${id}/ping`, undefined],
    [`POST /webhooks/${id}/rotate-secret`, undefined],
  ] as const;
  const headers = requests.map(() => keyed());
  const ask = () =>
    Promise.all(requests.map(([line, body], at) => world.call(key, line, { body, headers: headers[at] ?? {} })));
  const [patched, pinged] = await ask();
  expect((await world.call(key, `DELETE /webhooks/${id}`)).status).toBe(204);
  const [...again] = await ask();
  expect(again.map(({ status }) => status)).toEqual([200, 202, 404]);
  expect(again.map(({ text }) => text).slice(0, 2)).toEqual([patched?.text, pinged?.text]);
  expect(again.map((answer) => answer.headers['idempotent-replayed']).slice(0, 2)).toEqual(['true', 'true']);
  expect(await webhookRow(world, id)).toBeUndefined();
});

test('an idempotency key that was used for another request is refused, also between agents and webhooks', async () => {
  const { id: agentId, key } = await newSubject(world);
  const [ofAgent, ofHook] = [keyed(), keyed()];
  await world.patch(key, agentId, { duration: 31 }, { headers: ofAgent });
  expect((await world.call(key, 'POST /webhooks', { body: target, headers: ofHook })).status).toBe(201);
  const reused = [
    [await world.call(key, 'POST /webhooks', { body: target, headers: ofAgent }), '/webhooks'],
    [
      await world.call(key, 'POST /webhooks', { body: { ...target, events: ['agent.created'] }, headers: ofHook }),
      '/webhooks',
    ],
    [await world.patch(key, agentId, { duration: 32 }, { headers: ofHook }), `/agents/${agentId}`],
  ] as const;
  for (const [answer, instance] of reused) expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance });
});

test('a refusal is not kept, and after a day an idempotency key can be used again', async () => {
  const { key, keyId } = await world.company();
  const headers = keyed();
  const create = (body: object) => world.call(key, 'POST /webhooks', { body, headers });
  expect((await create({ ...target, url: 'http://example.com' })).status).toBe(400);
  const first = await create(target);
  await world.sql.query(
    `UPDATE idempotency_key SET created_at = created_at - interval '25 hours' WHERE api_key_id = $1`,
    [keyId],
  );
  const second = await create({ ...target, events: ['agent.created'] });
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(Object(second.body).id).not.toBe(Object(first.body).id);
});
