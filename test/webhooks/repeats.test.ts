import { expect, test } from 'vitest';
import type { HealthChange } from '../../src/webhooks/delivery.repository.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver, verify } from '../support/receiver.ts';
import { openSender, storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('all attempts at an event, and its redelivery, have the same webhook-id and body, and a signature of their own time', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver((_, response) =>
    response.writeHead(receiver.received.length === 1 ? 500 : 204).end(),
  );
  const { id: endpointId, secret } = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 44 });
  // As after an outage of hours: receivers refuse a signature time that is more than five minutes off.
  await world.sql.query(
    `UPDATE webhook_delivery SET created_at = created_at - interval '9 hours',
            body = regexp_replace(body, '"timestamp":"[^"]+"', '"timestamp":"2026-01-02T03:04:05.678Z"')
      WHERE endpoint_id = $1`,
    [endpointId],
  );
  const { wake } = openSender(world);
  const outcomes = async () =>
    (await storedDeliveries(world, endpointId)).map(({ status, attempts }) => `${status} ${attempts}`);
  await expect.poll(outcomes).not.toEqual(['PENDING 0']);
  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpointId]);
  wake();
  await expect.poll(outcomes).toEqual(['DELIVERED 2']);
  const [delivery] = await storedDeliveries(world, endpointId);
  await world.call(key, `POST /webhooks/${endpointId}/deliveries/${delivery.id}/redeliver`);
  await expect.poll(outcomes).toEqual(['DELIVERED 2', 'DELIVERED 1']);

  const { received } = receiver;
  expect(received.map((attempt) => attempt.id)).toEqual(Array(3).fill(delivery.eventId));
  expect(received.map((attempt) => verify(attempt, secret))).toEqual(Array(3).fill(received[0]?.event));
  expect(new Set(received.map(({ body }) => body)).size).toBe(1);
});

test('deliveries of an endpoint that a 410 disabled are sent in order once the owner enables it', async () => {
  const { id, key, companyId } = await newSubject(world);
  let status = 410;
  const receiver = await openReceiver((_, response) => response.writeHead(status).end());
  const { id: endpointId } = await storeEndpoint(world, companyId, receiver.url);
  const path = `/webhooks/${endpointId}`;
  for (const duration of [41, 42, 43]) await world.patch(key, id, { duration });
  // As after a failover to a machine whose clock is slow.
  const later = new Date(Date.now() + 3_600_000);
  await world.sql.query('UPDATE webhook_endpoint SET updated_at = $2 WHERE id = $1', [endpointId, later]);
  const { wake } = openSender(world);
  const shown = async () => Object((await world.call(key, `GET ${path}`)).body);
  await expect.poll(shown).toMatchObject({
    ...{ status: 'DISABLED', disabledReason: 'The receiver answered 410 Gone.' },
    ...{ lastSuccessAt: null, lastFailureAt: expect.any(String) },
  });
  expect(Date.parse((await shown()).updatedAt)).toBeGreaterThan(later.getTime());

  status = 204;
  await world.call(key, `PATCH ${path}`, { body: { status: 'ENABLED' } });
  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpointId]);
  wake();
  const statuses = async () => (await storedDeliveries(world, endpointId)).map((delivery) => delivery.status);
  await expect.poll(statuses).toEqual(Array(3).fill('DELIVERED'));
  expect(receiver.received.map(({ event }) => event.data.version)).toEqual([2, 2, 3, 4]);
  expect(await shown()).toMatchObject({
    ...{ status: 'ENABLED', disabledReason: null, lastFailureAt: expect.any(String) },
    lastSuccessAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
  });
});

test('a 410 for an attempt that began before the owner changed the endpoint does not disable it', async () => {
  const { id, key, companyId } = await newSubject(world);
  const held: (() => void)[] = [];
  const receiver = await openReceiver((_, response) =>
    held.push(() => response.writeHead(receiver.received.length === 1 ? 410 : 204).end()),
  );
  const { id: endpointId } = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 41 });
  const { wake } = openSender(world);
  await expect.poll(() => held).toHaveLength(1);
  await world.call(key, `PATCH /webhooks/${endpointId}`, { body: { description: 'moved' } });
  held[0]?.();
  const shown = async () =>
    (await storedDeliveries(world, endpointId)).map(({ status, attempts }) => [status, attempts]);
  await expect.poll(shown).toEqual([['PENDING', 1]]);
  expect(await storedEndpoint(world, endpointId)).toMatchObject({ status: 'ENABLED', disabled_reason: null });

  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpointId]);
  wake();
  await expect.poll(() => held).toHaveLength(2);
  held[1]?.();
  await expect.poll(shown).toEqual([['DELIVERED', 2]]);
});

/** No attempt is repeated while a test runs. */
const noRetry = { 'retry-after': '3600' };

test('an endpoint with a new URL is not disabled for the failures of the old one', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver((_, response) => response.writeHead(500, noRetry).end());
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  await world.sql.query(`UPDATE webhook_endpoint SET failing_since = now() - interval '6 days' WHERE id = $1`, [
    endpointId,
  ]);
  const changed = await world.call(key, `PATCH /webhooks/${endpointId}`, { body: { description: 'the same URL' } });
  expect(changed.status).toBe(200);
  expect(await storedEndpoint(world, endpointId)).toMatchObject({ failing_since: expect.any(Date) });

  const url = 'https://other.example/';
  expect((await world.call(key, `PATCH /webhooks/${endpointId}`, { body: { url } })).status).toBe(200);
  // A request can only give it an https URL.
  await world.sql.query(`UPDATE webhook_endpoint SET url = $2 WHERE id = $1`, [endpointId, receiver.url]);
  await world.patch(key, id, { duration: 41 });
  openSender(world);
  await expect.poll(() => storedDeliveries(world, endpointId)).toMatchObject([{ attempts: 1, status: 'PENDING' }]);
  const { last_failure_at: lastFailureAt, ...stored } = await storedEndpoint(world, endpointId);
  expect(stored).toMatchObject({ status: 'ENABLED', disabled_reason: null, failing_since: lastFailureAt });
});

test.each([204, 410, 500])(
  'a %i for an attempt at the URL that an endpoint had before says nothing of the new one',
  async (status) => {
    const { id, key, companyId } = await newSubject(world);
    const held: (() => void)[] = [];
    const receiver = await openReceiver((_, response) => held.push(() => response.writeHead(status, noRetry).end()));
    const moved = await storeEndpoint(world, companyId, receiver.url);
    const renamed = await storeEndpoint(world, companyId, receiver.url);
    await world.patch(key, id, { duration: 41 });
    const changes: HealthChange[] = [];
    openSender(world, { onHealth: (change) => changes.push(change) });
    await expect.poll(() => held).toHaveLength(2);
    await world.call(key, `PATCH /webhooks/${moved.id}`, { body: { url: 'https://new.example/' } });
    await world.call(key, `PATCH /webhooks/${renamed.id}`, { body: { description: 'renamed' } });
    const before = await storedEndpoint(world, moved.id);
    for (const answer of held) answer();
    const lastStatus = async (endpointId: string) => (await storedDeliveries(world, endpointId))[0].lastStatus;
    await expect.poll(async () => [await lastStatus(moved.id), await lastStatus(renamed.id)]).toEqual([status, status]);
    expect(await storedEndpoint(world, moved.id)).toEqual(before);
    const { last_success_at, last_failure_at, failing_since } = await storedEndpoint(world, renamed.id);
    const isSuccess = status === 204;
    expect([last_success_at !== null, last_failure_at !== null, failing_since !== null]).toEqual([
      ...[isSuccess, !isSuccess, !isSuccess],
    ]);
    expect(changes.map(({ id: endpointId, url, health }) => [endpointId, url, health])).toEqual(
      isSuccess ? [] : [[renamed.id, receiver.url, 'FAILING']],
    );
  },
);
