import { expect, test } from 'vitest';
import { bodiesFor, newWebhook, requestOf } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('the example of each event in the document is an event of the server, but for ids and times', async () => {
  const { id: companyId, key: apiKey, keyId } = await world.company();
  const { id: webhookId } = await newWebhook(world, apiKey);
  const draft = { name: 'Interview', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const created = await world.call(apiKey, 'POST /agents', { body: draft });
  const { id: agentId } = Object(created.body);
  for (const name of ['2', '3', '4', '5', '6']) await world.patch(apiKey, agentId, { name: `Interview ${name}` });
  const updated = await world.patch(apiKey, agentId, { metadata: { department: 'Sales' }, duration: 45 });
  const deleted = await world.call(apiKey, `DELETE /agents/${agentId}`);
  const ping = await world.call(apiKey, `POST /webhooks/${webhookId}/ping`);
  const bodies = await bodiesFor(world, webhookId);

  const { body: document } = await world.send({ method: 'GET', path: '/openapi.json' });
  const { schemas } = Object(document).components;
  const agent = { agentId, companyId };
  const sent = [
    ['AgentCreatedEvent', { ...agent, requestId: requestOf(created) }],
    ['AgentUpdatedEvent', { ...agent, requestId: requestOf(updated) }],
    ['AgentDeletedEvent', { ...agent, requestId: requestOf(deleted) }],
    ['WebhookPingEvent', { webhookId, requestId: requestOf(ping) }],
  ] as const;
  const expected = sent.map(([name, ids]) => {
    const [example] = schemas[name].examples;
    return { ...example, timestamp: expect.any(String), data: { ...example.data, ...ids, keyId } };
  });
  const types = expected.map(({ type }) => type);
  expect(types.map((type) => bodies.findLast((event) => Object(event).type === type))).toEqual(expected);
});
