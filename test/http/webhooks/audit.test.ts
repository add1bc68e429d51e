import { expect, test } from 'vitest';
import { newWebhook, requestOf, trailOf } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('disabling and enabling an endpoint each have one entry in the audit trail, which says who did it', async () => {
  const { id: companyId, key, keyId } = await world.company();
  const { id } = await newWebhook(world, key);
  const entries = [];
  for (const status of ['DISABLED', 'ENABLED']) {
    const answer = await world.call(key, `PATCH /webhooks/${id}`, { body: { status } });
    expect([answer.status, answer.body]).toMatchObject([200, { status }]);
    const by = { operator: null, key: keyId, request: requestOf(answer), company: companyId, integration: null };
    const details = { webhookId: id, origin: 'https://hooks.example.com', changed: ['status'] };
    entries.push({ action: 'webhook.updated', ...by, details });
  }
  expect((await trailOf(world, id)).slice(1)).toEqual(entries);
});
