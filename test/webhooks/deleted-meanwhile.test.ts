import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import type { HealthChange } from '../../src/webhooks/delivery.repository.ts';
import { perHealthy } from '../../src/webhooks/slots.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { webhookRow } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('an endpoint that is deleted while attempts run gets no further request, and they leave no trace, whatever they are answered', async () => {
  const answers: ServerResponse[] = [];
  const receiver = await openReceiver((_, response) => void answers.push(response));
  const { id: companyId, key } = await world.company();
  const { id } = await storeEndpoint(world, companyId, receiver.url);
  const row = await webhookRow(world, id);
  for (const _ of [204, 500, 410]) {
    const agent = await world.agent(companyId);
    expect(await world.patch(key, agent.id, { duration: 31 })).toMatchObject({ status: 200 });
  }
  const changes: HealthChange[] = [];
  const { wake } = openSender(world, { onHealth: (change) => changes.push(change) });
  await expect.poll(() => answers.length).toBe(3);
  expect(await storedDeliveries(world, id)).toHaveLength(6);
  const deleted = await world.call(key, `DELETE /webhooks/${id}`);
  expect([deleted.status, deleted.text]).toEqual([204, '']);
  for (const [at, status] of [204, 500, 410].entries()) answers[at]?.writeHead(status).end();

  // An endpoint with the same id has all slots that one endpoint can have.
  await world.sql.query(
    'INSERT INTO webhook_endpoint SELECT * FROM jsonb_populate_record(NULL::webhook_endpoint, $1)',
    [row],
  );
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, body)
     SELECT $1, 'msg_' || n, 'webhook.ping', '{"type":"webhook.ping"}' FROM generate_series(1, $2::int) n`,
    [id, perHealthy],
  );
  wake();
  await expect.poll(() => answers.length).toBe(3 + perHealthy);
  const types = receiver.received.map(({ event: { type } }) => type);
  expect(types).toEqual([...Array(3).fill('agent.created'), ...Array(perHealthy).fill('webhook.ping')]);
  expect([changes, await webhookRow(world, id)]).toEqual([[], row]);
  for (const answer of answers.slice(3)) answer.writeHead(204).end();
  await expect
    .poll(async () => (await storedDeliveries(world, id)).map(({ status }) => status))
    .toEqual(Array(perHealthy).fill('DELIVERED'));
});
