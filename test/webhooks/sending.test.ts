import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver, verify } from '../support/receiver.ts';
import { openSender, storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const idle = { lease: null, leasedUntil: null };

test('a change is sent to the endpoint of its company with a signature that the Standard Webhooks library accepts', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver((_, response) => response.end('thank you'));
  const { secret, ...endpoint } = await storeEndpoint(world, companyId, `${receiver.url}?a=b`, {
    headers: { 'X-Tenant': 'seven' },
  });
  openSender(world);
  await world.patch(key, id, { duration: 44 });

  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([{ status: 'DELIVERED' }]);
  const [delivery] = await storedDeliveries(world, endpoint.id);
  const [received, ...more] = receiver.received;
  if (!received) throw new Error('nothing was received');
  expect(more).toEqual([]);
  expect(received).toMatchObject({
    path: '/hook?a=b',
    event: { type: 'agent.updated', data: { agentId: id, version: 2 } },
  });
  expect(received.headers).toMatchObject({ 'content-type': 'application/json', 'x-tenant': 'seven' });
  expect(received.id).toBe(delivery.eventId);
  expect(verify(received, secret)).toEqual(received.event);
  expect(() => verify({ ...received, body: `${received.body} ` }, secret)).toThrow();
  expect(delivery).toMatchObject({
    ...{ eventType: 'agent.updated', agentId: id, version: 2, attempts: 1, finishedAt: expect.any(Date) },
    ...{ lastStatus: 200, lastError: null, lastAnswer: 'thank you', ...idle },
  });
  expect(await storedEndpoint(world, endpoint.id)).toMatchObject({
    ...{ status: 'ENABLED', last_success_at: expect.any(Date), last_failure_at: null, failing_since: null },
  });
});

test('a failed attempt is repeated after the wait of the schedule, or of a longer Retry-After', async () => {
  const { id, key, companyId } = await newSubject(world);
  const failing = await openReceiver((_, response) => response.writeHead(500).end('no'));
  const busy = await openReceiver((_, response) => response.writeHead(503, { 'retry-after': '3600' }).end());
  const first = await storeEndpoint(world, companyId, failing.url);
  const second = await storeEndpoint(world, companyId, busy.url);
  await world.patch(key, id, { duration: 44 });
  // The wait after the fourth attempt is ten minutes, 20 % more or less; after the first it would be over too soon to be seen.
  await world.sql.query('UPDATE webhook_delivery SET attempts = 3 WHERE endpoint_id = $1', [first.id]);
  openSender(world);

  const stored = async () => {
    const [[later], [muchLater]] = [await storedDeliveries(world, first.id), await storedDeliveries(world, second.id)];
    return { later, muchLater };
  };
  await expect.poll(stored).toMatchObject({
    later: {
      ...{ status: 'PENDING', attempts: 4, ...idle },
      ...{ lastStatus: 500, lastError: 'the answer was 500', lastAnswer: 'no' },
      secondsLeft: expect.toSatisfy((seconds: number) => seconds > 400 && seconds <= 720),
    },
    muchLater: {
      ...{ status: 'PENDING', attempts: 1, lastStatus: 503, ...idle },
      secondsLeft: expect.toSatisfy((seconds: number) => seconds > 3_500 && seconds <= 3_600),
    },
  });
  expect(await storedEndpoint(world, first.id)).toMatchObject({
    ...{ status: 'ENABLED', last_success_at: null, last_failure_at: expect.any(Date), failing_since: expect.any(Date) },
  });
});

test('after the last attempt the delivery is FAILED, and the next one of its agent is sent', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver(({ event }, response) =>
    response.writeHead(event.data.version === 2 ? 400 : 204).end(),
  );
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 44 });
  await world.patch(key, id, { duration: 45 });
  await world.sql.query('UPDATE webhook_delivery SET attempts = 9 WHERE endpoint_id = $1 AND version = 2', [
    endpoint.id,
  ]);
  openSender(world);

  await expect
    .poll(() => storedDeliveries(world, endpoint.id))
    .toMatchObject([
      { version: 2, status: 'FAILED', attempts: 10, lastStatus: 400, finishedAt: expect.any(Date), ...idle },
      { version: 3, status: 'DELIVERED', attempts: 1, lastStatus: 204, finishedAt: expect.any(Date), ...idle },
    ]);
});

test('a 410 disables the endpoint with an audit entry; pending deliveries are kept and not sent', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver((_, response) => response.writeHead(410).end());
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.patch(key, id, { duration: 44 });
  await world.patch(key, id, { duration: 45 });
  openSender(world);

  await expect.poll(() => storedEndpoint(world, endpoint.id)).toMatchObject({ status: 'DISABLED' });
  expect(await storedEndpoint(world, endpoint.id)).toMatchObject({
    disabled_reason: 'The receiver answered 410 Gone.',
  });
  const { rows } = await world.sql.query(
    `SELECT operator, company_id, details FROM audit_entry WHERE action = 'webhook.disabled' AND company_id = $1`,
    [companyId],
  );
  expect(rows).toEqual([
    {
      ...{ operator: 'server', company_id: companyId },
      details: { webhookId: endpoint.id, reason: 'The receiver answered 410 Gone.' },
    },
  ]);
  // They are due, so they would be sent if the endpoint were enabled.
  await world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1`, [endpoint.id]);
  const other = await openReceiver();
  await storeEndpoint(world, companyId, other.url);
  await world.patch(key, id, { duration: 46 });
  await expect.poll(() => other.received).toHaveLength(1);
  expect(receiver.received).toHaveLength(1);
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([{ status: 'PENDING' }, { status: 'PENDING' }]);
});

test('five days of failed attempts without a success disable the endpoint, and less do not', async () => {
  const { id, key, companyId } = await newSubject(world);
  // No second attempt during the test.
  const receiver = await openReceiver((_, response) => response.writeHead(500, { 'retry-after': '3600' }).end());
  const [five, four] = [
    await storeEndpoint(world, companyId, receiver.url),
    await storeEndpoint(world, companyId, receiver.url),
  ];
  const since = `UPDATE webhook_endpoint SET failing_since = now() - $2::interval WHERE id = $1`;
  await world.sql.query(since, [five.id, '5 days']);
  await world.sql.query(since, [four.id, '4 days 23 hours']);
  await world.patch(key, id, { duration: 44 });
  openSender(world);
  await expect.poll(() => storedDeliveries(world, four.id)).toMatchObject([{ attempts: 1 }]);
  await expect.poll(() => storedDeliveries(world, five.id)).toMatchObject([{ attempts: 1, status: 'PENDING' }]);
  expect(await storedEndpoint(world, four.id)).toMatchObject({ status: 'ENABLED', disabled_reason: null });
  expect(await storedEndpoint(world, five.id)).toMatchObject({
    ...{ status: 'DISABLED', disabled_reason: 'All attempts have failed for five days.' },
  });
});

test('a success resets the count of failures', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.sql.query(`UPDATE webhook_endpoint SET failing_since = now() - interval '9 days' WHERE id = $1`, [
    endpoint.id,
  ]);
  await world.patch(key, id, { duration: 44 });
  openSender(world);
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([{ status: 'DELIVERED' }]);
  expect(await storedEndpoint(world, endpoint.id)).toMatchObject({ status: 'ENABLED', failing_since: null });
});
