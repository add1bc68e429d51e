import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const idle = { leasedUntil: null, lease: null };
const refused = { status: 'FAILED', lastError: 'the integration does not manage this company any more' };

test('after its grant was revoked an integration gets nothing: the delivery is FAILED without an attempt', async () => {
  const { id, key, companyId } = await newSubject(world);
  const ats = await world.ats(companyId);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url, { integrationId: ats.id });
  await world.patch(key, id, { duration: 44 });
  await world.companies.revoke(ats.id, companyId);
  openSender(world);
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([{ status: 'FAILED' }]);
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([
    { attempts: 0, lastStatus: null, lastError: 'the integration does not manage this company any more', ...idle },
  ]);
  expect(receiver.received).toEqual([]);
});

test('if a grant is revoked during an attempt, the delivery is not retried and later versions are not sent', async () => {
  const { id, key, companyId } = await newSubject(world);
  const ats = await world.ats(companyId);
  const receiver = await openReceiver(async (_, response) => {
    await world.companies.revoke(ats.id, companyId);
    response.writeHead(500).end();
  });
  const endpoint = await storeEndpoint(world, companyId, receiver.url, { integrationId: ats.id });
  await world.patch(key, id, { duration: 44 });
  await world.patch(key, id, { duration: 45 });
  const { wake } = openSender(world);
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([{ attempts: 1 }, { attempts: 0 }]);
  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpoint.id]);
  wake();
  await expect
    .poll(() => storedDeliveries(world, endpoint.id))
    .toMatchObject([
      { ...refused, attempts: 1, lastStatus: 500 },
      { ...refused, attempts: 0 },
    ]);
  expect(receiver.received).toHaveLength(1);
});

test('if a grant is revoked during a successful attempt, the next version is not sent', async () => {
  const { id, key, companyId } = await newSubject(world);
  const ats = await world.ats(companyId);
  const receiver = await openReceiver(async (_, response) => {
    await world.companies.revoke(ats.id, companyId);
    response.writeHead(204).end();
  });
  const endpoint = await storeEndpoint(world, companyId, receiver.url, { integrationId: ats.id });
  await world.patch(key, id, { duration: 44 });
  await world.patch(key, id, { duration: 45 });
  openSender(world);
  await expect
    .poll(() => storedDeliveries(world, endpoint.id))
    .toMatchObject([{ status: 'DELIVERED' }, { ...refused, attempts: 0 }]);
  expect(receiver.received).toHaveLength(1);
});

test('while its grant is withdrawn an integration misses changes, and nothing of its endpoint shows that once it is granted again', async () => {
  const { id, key, companyId } = await newSubject(world);
  const { id: deleted } = await world.agent(companyId, {});
  const ats = await world.ats(companyId);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url, { integrationId: ats.id });
  const before = await storedEndpoint(world, endpoint.id);
  await world.companies.revoke(ats.id, companyId);
  await world.patch(key, id, { duration: 44 });
  expect((await world.call(key, `DELETE /agents/${deleted}`)).status).toBe(204);
  await world.companies.grant(ats.id, companyId);
  expect(await storedEndpoint(world, endpoint.id)).toEqual(before);
  expect(await storedDeliveries(world, endpoint.id)).toEqual([]);
  await world.patch(key, id, { duration: 45 });
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([{ agentId: id, version: 3, status: 'PENDING' }]);
  // What the page for receivers tells integrations to do about it.
  const page = await readFile('docs/webhooks.md', 'utf8');
  expect(page).toContain('One that was gone for a time, of which nothing may tell but the operator');
});

test('the endpoints of a key go on after it is revoked, suspended or rotated', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const ends = [world.keys.revoke, world.keys.suspend, (keyId: string) => world.keys.rotate(keyId, 0)];
  const endpoints: string[] = [];
  for (const end of ends) {
    const maker = await world.newKey(companyId);
    const made = await newWebhook(world, maker.key);
    await world.sql.query('UPDATE webhook_endpoint SET url = $2 WHERE id = $1', [made.id, receiver.url]);
    await end(maker.id);
    expect((await world.call(maker.key, 'GET /webhooks')).status).toBeOneOf([401, 403]);
    endpoints.push(made.id);
  }
  await world.patch(key, id, { duration: 44 });
  openSender(world);
  for (const endpoint of endpoints) {
    await expect
      .poll(() => storedDeliveries(world, endpoint))
      .toMatchObject([{ agentId: id, version: 2, status: 'DELIVERED' }]);
  }
  expect(receiver.received).toHaveLength(endpoints.length);
});
