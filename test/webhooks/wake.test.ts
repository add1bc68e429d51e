import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('the sender is woken after each request that may have made an event, and after no other', async () => {
  const { id, key } = await newSubject(world);
  const onChange = vi.fn();
  const { app, origin } = await openAnotherServer(world, { onChange });
  const ask = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
    return (await send(origin, { method, path, headers, ...(body && { body: JSON.stringify(body) }) })).status;
  };
  const draft = { name: 'Made', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };

  expect(await ask('GET', `/agents/${id}`)).toBe(200);
  expect(await ask('HEAD', `/agents/${id}`)).toBe(200);
  expect(await ask('GET', '/health/ready')).toBe(200);
  expect(await ask('PATCH', `/agents/${id}`, { duration: 999 })).toBe(400);
  expect(await ask('PATCH', `/agents/${id}`, { duration: 44 })).toBe(200);
  await expect.poll(() => onChange.mock.calls.length).toBe(1);
  expect(await ask('POST', '/agents', draft)).toBe(201);
  await expect.poll(() => onChange.mock.calls.length).toBe(2);
  expect(await ask('DELETE', `/agents/${id}`)).toBe(204);
  await expect.poll(() => onChange.mock.calls.length).toBe(3);

  const { id: webhookId } = await newWebhook(world, key);
  const path = `/webhooks/${webhookId}`;
  expect(await ask('GET', `${path}/deliveries`)).toBe(200);
  expect(await ask('POST', `${path}/deliveries/${webhookId}/redeliver`)).toBe(404);
  expect(await ask('POST', `${path}/ping`)).toBe(202);
  await expect.poll(() => onChange.mock.calls.length).toBe(4);
  const { rows } = await world.sql.query('SELECT id FROM webhook_delivery WHERE endpoint_id = $1', [webhookId]);
  expect(await ask('POST', `${path}/deliveries/${rows[0].id}/redeliver`)).toBe(202);
  await expect.poll(() => onChange.mock.calls.length).toBe(5);
  // It may be woken after the answer, but not after the end of the server.
  await app.close();
  expect(onChange).toHaveBeenCalledTimes(5);
});
