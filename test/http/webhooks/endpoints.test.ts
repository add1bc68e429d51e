import { expect, test } from 'vitest';
import { sealer } from '../../../src/webhooks/sealer.ts';
import { expectProblem } from '../../support/problem.ts';
import { newWebhook, requestOf, target, trailOf, webhookRow } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const { open, fingerprint } = sealer({ secret: world.secret });
const form = /^whsec_[A-Za-z0-9+/]{43}=$/;

test('POST /webhooks creates an endpoint and answers its secret, which is stored encrypted like its header values', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const fields = {
    events: ['agent.updated'],
    description: 'Copy',
    headers: { Authorization: 'Basic c2VjcmV0', 'X-Team': 'a b' },
  };
  const { id, secret, shown, answer } = await newWebhook(world, key, fields);
  const row = await webhookRow(world, id);
  expect(answer.headers.location).toBe(`/webhooks/${id}`);
  expect(secret).toMatch(form);
  const created = new Date(row.created_at).toISOString();
  expect(shown).toEqual({
    ...{
      id,
      url: target.url,
      events: ['agent.updated'],
      description: 'Copy',
      headerNames: ['authorization', 'x-team'],
    },
    ...{ status: 'ENABLED', disabledReason: null, createdAt: created, updatedAt: created },
    ...{ lastSuccessAt: null, lastFailureAt: null },
  });
  expect(row).toEqual({
    ...{
      id,
      company_id: companyId,
      integration_id: null,
      url: target.url,
      events: ['agent.updated'],
      description: 'Copy',
    },
    ...{
      header_names: ['authorization', 'x-team'],
      sealed_headers: row.sealed_headers,
      sealed_secret: row.sealed_secret,
    },
    ...{ sealed_previous_secret: null, previous_secret_until: null, sealed_under: fingerprint, status: 'ENABLED' },
    ...{ disabled_reason: null, created_at: row.created_at, updated_at: row.created_at, last_success_at: null },
    ...{ last_failure_at: null, failing_since: null },
  });
  expect(open(row.sealed_secret, fingerprint, { endpointId: id, column: 'secret' })).toBe(secret);
  const headers = open(row.sealed_headers, fingerprint, { endpointId: id, column: 'headers' });
  expect(JSON.parse(headers)).toEqual({ authorization: 'Basic c2VjcmV0', 'x-team': 'a b' });
  const details = { webhookId: id, origin: 'https://hooks.example.com', events: ['agent.updated'] };
  const by = { operator: null, key: keyId, request: requestOf(answer), company: companyId, integration: null };
  expect(await trailOf(world, id)).toEqual([{ action: 'webhook.created', ...by, details }]);
});

test('reading answers endpoints without secrets, newest first, in pages', async () => {
  const { key } = await world.company();
  const made = [await newWebhook(world, key), await newWebhook(world, key), await newWebhook(world, key)];
  const newestFirst = made.map(({ shown }) => shown).toReversed();
  const page = { total: 3, page: 1, limit: 2, totalPages: 2, hasNextPage: true, hasPreviousPage: false };
  const first = await world.call(key, 'GET /webhooks?limit=2');
  expect([first.status, first.body]).toEqual([200, { data: newestFirst.slice(0, 2), pagination: page }]);
  const second = await world.call(key, 'GET /webhooks?limit=2&page=2');
  expect(Object(second.body).data).toEqual(newestFirst.slice(2));
  const one = await world.call(key, `GET /webhooks/${made[0]?.id.toUpperCase()}`);
  expect([one.status, one.body]).toEqual([200, made[0]?.shown]);
});

test('PATCH /webhooks/:id changes the members that it names: null clears, headers merge by name in any case, updatedAt increases', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const stored = { 'X-A': '1', 'X-B': '2', 'X-D': '5' };
  const { id, shown } = await newWebhook(world, key, { description: 'Old', headers: stored });
  const before = await webhookRow(world, id);
  const body = {
    url: `${target.url}?token=t`,
    description: null,
    headers: { 'X-a': null, 'X-b': '3', 'X-C': '4' },
  };
  const answer = await world.call(key, `PATCH /webhooks/${id}`, { body });
  const row = await webhookRow(world, id);
  expect(new Date(row.updated_at).getTime()).toBeGreaterThan(new Date(before.updated_at).getTime());
  const changed = { url: body.url, description: null, headerNames: ['x-b', 'x-d', 'x-c'] };
  const updatedAt = new Date(row.updated_at).toISOString();
  expect([answer.status, answer.body]).toEqual([200, { ...shown, ...changed, updatedAt }]);
  expect(row).toEqual({
    ...{ ...before, url: body.url, description: null, header_names: ['x-b', 'x-d', 'x-c'] },
    ...{ sealed_headers: row.sealed_headers, updated_at: row.updated_at },
  });
  const headers = open(row.sealed_headers, fingerprint, { endpointId: id, column: 'headers' });
  expect(JSON.parse(headers)).toEqual({ 'x-b': '3', 'x-c': '4', 'x-d': '5' });
  const details = { webhookId: id, origin: 'https://hooks.example.com', changed: ['url', 'description', 'headers'] };
  const by = { operator: null, key: keyId, request: requestOf(answer), company: companyId, integration: null };
  expect((await trailOf(world, id)).slice(1)).toEqual([{ action: 'webhook.updated', ...by, details }]);
  const cleared = await world.call(key, `PATCH /webhooks/${id}`, { body: { headers: null } });
  expect(cleared.body).toMatchObject({ headerNames: [] });
  expect(await webhookRow(world, id)).toMatchObject({ header_names: [], sealed_headers: null });
});

test('a patch of an endpoint that changes nothing leaves its row and the audit trail unchanged', async () => {
  const { key } = await world.company();
  const { id, shown } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const before = await webhookRow(world, id);
  for (const body of [
    {},
    { url: target.url, events: ['*'], headers: { 'x-a': '1', 'x-b': null }, status: 'ENABLED' },
  ]) {
    const answer = await world.call(key, `PATCH /webhooks/${id}`, { body });
    expect([answer.status, answer.body]).toEqual([200, shown]);
  }
  expect(await webhookRow(world, id)).toEqual(before);
  expect(await trailOf(world, id)).toHaveLength(1);
});

test('endpoints have no entity tag: preconditions are ignored, and there are no dry runs', async () => {
  const { key } = await world.company();
  const { id, shown, answer: made } = await newWebhook(world, key);
  const stale = { 'if-match': '"9", unreadable' };
  const again = { 'if-none-match': '*' };
  const patched = await world.call(key, `PATCH /webhooks/${id}`, { body: { description: 'A' }, headers: stale });
  const { updatedAt } = Object(patched.body);
  expect([patched.status, patched.body]).toEqual([200, { ...shown, description: 'A', updatedAt }]);
  const read = await world.call(key, `GET /webhooks/${id}`, { headers: again });
  expect([read.status, read.body]).toEqual([200, patched.body]);
  for (const { headers } of [made, patched, read]) {
    expect(headers).not.toHaveProperty('etag');
    expect(headers).not.toHaveProperty('changed-fields');
  }
  const dry = await world.call(key, `PATCH /webhooks/${id}?dryRun=true`, { body: { description: 'B' } });
  expect([dry.status, Object(dry.body).errors]).toMatchObject([400, [{ parameter: 'dryRun', code: 'unknown_member' }]]);
  expect(await webhookRow(world, id)).toMatchObject({ description: 'A' });
  expect((await world.call(key, `DELETE /webhooks/${id}`, { headers: stale })).status).toBe(204);
  expect(await webhookRow(world, id)).toBeUndefined();
});

test('enabling an endpoint clears the reason and its failures, and keeps its pending deliveries', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  await world.agent(companyId);
  await world.sql.query(
    `UPDATE webhook_endpoint SET status = 'DISABLED', disabled_reason = 'Gone', failing_since = now() - interval '6 days'
      WHERE id = $1`,
    [id],
  );
  expect((await world.call(key, `PATCH /webhooks/${id}`, { body: { status: 'DISABLED' } })).body).toMatchObject({
    ...{ status: 'DISABLED', disabledReason: 'Gone' },
  });
  const enabled = await world.call(key, `PATCH /webhooks/${id}`, { body: { status: 'ENABLED' } });
  expect(enabled.body).toMatchObject({ status: 'ENABLED', disabledReason: null });
  expect(await webhookRow(world, id)).toMatchObject({ status: 'ENABLED', disabled_reason: null, failing_since: null });
  const { body } = await world.call(key, `GET /webhooks/${id}/deliveries`);
  expect(Object(body).data).toMatchObject([{ eventType: 'agent.created', status: 'PENDING' }]);
});

test('an owner has at most ten endpoints, however many are created at once', async () => {
  const { key } = await world.company();
  const ats = await world.ats();
  for (const owner of [key, ats.key]) {
    const create = () => world.call(owner, 'POST /webhooks', { body: target });
    const answers = await Promise.all(Array.from({ length: 12 }, create));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(2);
    const detail = 'must not be another webhook: the owner has 10, which is the limit';
    const errors = [{ in: 'body', pointer: '#', code: 'too_many', detail, limit: 10 } as const];
    for (const one of refused) expectProblem(one, { code: 'VALIDATION_FAILED', instance: '/webhooks', errors });
    expect(Object((await world.call(owner, 'GET /webhooks')).body).pagination.total).toBe(10);
  }
});

test('rotate-secret answers a new secret, and the previous one signs for 24 hours more', async () => {
  const { key } = await world.company();
  const { id, secret, shown } = await newWebhook(world, key, { headers: { 'X-A': '1' } });
  const answer = await world.call(key, `POST /webhooks/${id}/rotate-secret`);
  const row = await webhookRow(world, id);
  const { secret: next, ...rest } = Object(answer.body);
  expect([answer.status, rest]).toEqual([200, { ...shown, updatedAt: new Date(row.updated_at).toISOString() }]);
  expect(next).toMatch(form);
  expect(next).not.toBe(secret);
  const opened = [row.sealed_secret, row.sealed_previous_secret].map((sealed) =>
    open(sealed, row.sealed_under, { endpointId: id, column: 'secret' }),
  );
  expect(opened).toEqual([next, secret]);
  const { rows } = await world.sql.query(
    `SELECT previous_secret_until - now() BETWEEN interval '23 hours 59 minutes' AND interval '24 hours' AS day
       FROM webhook_endpoint WHERE id = $1`,
    [id],
  );
  expect(rows).toEqual([{ day: true }]);
  expect((await trailOf(world, id)).map(({ action }) => action)).toEqual(['webhook.created', 'webhook.secret-rotated']);
});
