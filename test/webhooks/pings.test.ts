import { expect, test } from 'vitest';
import { openReceiver, verify } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** The deliveries of an endpoint: type and status. */
const inShort = async (endpointId: string) =>
  (await storedDeliveries(world, endpointId)).map(
    ({ eventType, status, lastStatus }) => `${eventType} ${status} ${lastStatus}`,
  );

test('a ping reaches an endpoint of a company or an integration, whatever its event types, even while an event keeps failing', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const ats = await world.ats(companyId);
  const receiver = await openReceiver(({ event }, response) =>
    response.writeHead(event.type === 'webhook.ping' ? 204 : 500).end(),
  );
  const events = ['agent.created'];
  const owners = [
    { by: key, keyId, hook: await storeEndpoint(world, companyId, `${receiver.url}/1`, { events }) },
    {
      ...{ by: ats.key, keyId: ats.keyId },
      hook: await storeEndpoint(world, companyId, `${receiver.url}/2`, { events, integrationId: ats.id }),
    },
  ];
  await world.agent(companyId);
  openSender(world);
  for (const { by, keyId, hook } of owners) {
    await expect.poll(() => inShort(hook.id)).toEqual(['agent.created PENDING 500']);
    const answer = await world.call(by, `POST /webhooks/${hook.id}/ping`);
    await expect.poll(() => inShort(hook.id)).toEqual(['agent.created PENDING 500', 'webhook.ping DELIVERED 204']);
    const attempt = receiver.received.findLast(({ event }) => event.type === 'webhook.ping');
    if (!attempt) throw new Error('no ping was received');
    const { createdAt: timestamp, eventId } = Object(answer.body);
    const data = { webhookId: hook.id, requestId: answer.headers['x-request-id'], keyId };
    expect(attempt.id).toBe(eventId);
    expect(verify(attempt, hook.secret)).toEqual({ type: 'webhook.ping', timestamp, data });
  }
});

test('a failed ping delays neither another ping nor an event', async () => {
  const { id: companyId, key } = await world.company();
  const receiver = await openReceiver(({ id }, response) =>
    response.writeHead(id === receiver.received[0]?.id ? 500 : 204).end(),
  );
  const { id } = await storeEndpoint(world, companyId, receiver.url);
  openSender(world);
  await world.call(key, `POST /webhooks/${id}/ping`);
  await expect.poll(() => inShort(id)).toEqual(['webhook.ping PENDING 500']);
  // Its next attempt is hours away.
  await world.sql.query(
    `UPDATE webhook_delivery SET next_attempt_at = now() + interval '3 hours' WHERE endpoint_id = $1`,
    [id],
  );
  await world.call(key, `POST /webhooks/${id}/ping`);
  await world.agent(companyId);
  await expect
    .poll(() => inShort(id))
    .toEqual(['webhook.ping PENDING 500', 'webhook.ping DELIVERED 204', 'agent.created DELIVERED 204']);
});
