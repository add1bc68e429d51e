import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/database/client.ts';
import type { PreparedStatement, Query } from '../../src/database/statement.ts';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { outcomeOf } from '../../src/webhooks/outcome.ts';
import { outcomeWriter } from '../../src/webhooks/outcome-writer.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const leaseUntil = (endpointId: string, until: string) =>
  world.sql.query(
    `UPDATE webhook_delivery SET lease = $2, leased_until = now() + $3::interval WHERE endpoint_id = $1`,
    [...[endpointId, randomUUID(), until]],
  );

/** A company with one endpoint and one pending delivery. */
async function openWaiting(receiver: Awaited<ReturnType<typeof openReceiver>>) {
  const { id, key, companyId } = await newSubject(world);
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 44 });
  return { endpoint, companyId, id, key };
}

test('a delivery that another process has claimed is sent only after the lease has expired', async () => {
  const receiver = await openReceiver();
  const held = await openWaiting(receiver);
  const lost = await openWaiting(receiver);
  await leaseUntil(held.endpoint.id, '1 hour');
  await leaseUntil(lost.endpoint.id, '-1 second');
  openSender(world);
  await expect
    .poll(() => storedDeliveries(world, lost.endpoint.id))
    .toMatchObject([{ status: 'DELIVERED', attempts: 1 }]);
  expect(receiver.received.map(({ event }) => event.data.agentId)).toEqual([lost.id]);
  expect(await storedDeliveries(world, held.endpoint.id)).toMatchObject([{ status: 'PENDING', attempts: 0 }]);
});

const delivered = { isDelivered: true, status: 200, error: null, answer: '' } as const;

/** An endpoint with two deliveries of one agent, on a queue whose statements can be watched. */
async function openTwo(watch: (statement: PreparedStatement, database: Database) => Promise<void> = async () => {}) {
  const { id, key, companyId } = await newSubject(world);
  const endpoint = await storeEndpoint(world, companyId, 'https://hooks.example.com/');
  for (const duration of [42, 43]) await world.patch(key, id, { duration });
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const query: Query = async (statement) => {
    await watch(statement, database);
    return await database.query(statement);
  };
  const deliveries = deliveryRepository({ query });
  const room = { healthy: 100, failing: 100, perHealthy: 10, perFailing: 10, running: new Map<string, number>() };
  const { claimed } = await deliveries.claim(room);
  const first = claimed.find(({ endpointId }) => endpointId === endpoint.id);
  if (!first) throw new Error('the delivery was not claimed');
  return { endpoint, deliveries, first };
}

test('if the next delivery of an agent cannot be claimed once an outcome is written, its claim is tried again', async () => {
  let failures = 0;
  const { endpoint, deliveries, first } = await openTwo(async ({ text }, database) => {
    if (!text.includes('goes_on') || failures > 0) return;
    failures += 1;
    // The connection breaks.
    await database.query({ text: 'SELECT pg_terminate_backend(pg_backend_pid())', values: [] });
  });
  const errors: unknown[] = [];
  const write = outcomeWriter({
    ...{ deliveries, onHealth: () => {}, signal: new AbortController().signal },
    onError: (error) => errors.push(error),
  });
  const next = await write({ outcome: outcomeOf(first, delivered), mayGoOn: () => true });
  const [done, second] = await storedDeliveries(world, endpoint.id);
  expect([failures, done.status, next?.id]).toEqual([1, 'DELIVERED', second.id]);
  expect(errors).toMatchObject([{ code: 'DATABASE_UNAVAILABLE' }]);
});

test('what waits behind a delivery of an endpoint that is disabled meanwhile is due at once', async () => {
  const { endpoint, deliveries, first } = await openTwo();
  await world.sql.query("UPDATE webhook_endpoint SET status = 'DISABLED' WHERE id = $1", [endpoint.id]);
  const waiting = () =>
    world.sql.query(
      `SELECT next_attempt_at <= clock_timestamp() + interval '1 second' AS "isDue", lease FROM webhook_delivery
        WHERE endpoint_id = $1 AND status = 'PENDING' ORDER BY position DESC LIMIT 1`,
      [endpoint.id],
    );
  expect((await waiting()).rows).toEqual([{ isDue: false, lease: null }]);
  await deliveries.finish([outcomeOf(first, delivered)]);
  expect(await deliveries.next([{ id: first.id, mayGoOn: true }])).toEqual(new Map());
  expect((await waiting()).rows).toEqual([{ isDue: true, lease: null }]);
});

test('a process that has lost the lease of a delivery cannot write its outcome', async () => {
  const receiver = await openReceiver();
  const { endpoint } = await openWaiting(receiver);
  const database = openLimited('patient', world.databaseUrl, 1);
  try {
    const deliveries = deliveryRepository(database);
    const room = { healthy: 100, failing: 100, perHealthy: 10, perFailing: 10, running: new Map<string, number>() };
    const { claimed } = await deliveries.claim(room);
    const mine = claimed.find(({ endpointId }) => endpointId === endpoint.id);
    if (!mine) throw new Error('the delivery was not claimed');
    await leaseUntil(endpoint.id, '1 hour');
    const before = await storedDeliveries(world, endpoint.id);
    const answered = outcomeOf(mine, delivered);
    expect(await deliveries.finish([answered])).toEqual({ written: new Set(), locked: new Set(), changes: [] });
    const [after] = await storedDeliveries(world, endpoint.id);
    expect({ ...after, secondsLeft: 0 }).toEqual({ ...before[0], secondsLeft: 0 });
    expect(after.status).toBe('PENDING');
  } finally {
    await database.close();
  }
});

test('a stop waits for running attempts', async () => {
  const arrived: (() => void)[] = [];
  const receiver = await openReceiver((_, response) => arrived.push(() => response.writeHead(204).end()));
  const { endpoint, id, key } = await openWaiting(receiver);
  const { stop } = openSender(world);
  await expect.poll(() => arrived.length).toBe(1);
  const stopped = stop(60_000);
  // Next in the order after the running attempt: no new attempt begins.
  await world.patch(key, id, { duration: 45 });
  for (const answer of arrived) answer();
  await stopped;
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([
    { status: 'DELIVERED', attempts: 1 },
    { status: 'PENDING', attempts: 0, lease: null, leasedUntil: null },
  ]);
  expect(receiver.received).toHaveLength(1);
});

test('a stop releases a delivery whose attempt outlasts the grace period, and another process sends it at once', async () => {
  let isOpen = false;
  const receiver = await openReceiver((_, response) => {
    if (isOpen) response.writeHead(204).end();
  });
  const { endpoint } = await openWaiting(receiver);
  const { stop } = openSender(world);
  await expect.poll(() => receiver.received.length).toBe(1);
  await stop(0);
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([
    { status: 'PENDING', attempts: 0, lease: null, leasedUntil: null, lastError: null },
  ]);
  expect(await storedEndpoint(world, endpoint.id)).toMatchObject({ failing_since: null, last_failure_at: null });
  isOpen = true;
  openSender(world);
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([{ status: 'DELIVERED', attempts: 1 }]);
});
