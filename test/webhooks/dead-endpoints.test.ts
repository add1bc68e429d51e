import { expect, test } from 'vitest';
import { perHealthy } from '../../src/webhooks/slots.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Stores a delivery for each of `agents` agents. */
const storeAgents = (endpointId: string, companyId: string, agents: number) =>
  world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
     SELECT $1::uuid, 'msg_' || gen_random_uuid(), 'agent.updated', gen_random_uuid(), $2::uuid, 2, '{}'
       FROM generate_series(1, $3::int)`,
    [endpointId, companyId, agents],
  );

const countOf = async (endpointId: string, status: string) =>
  (await storedDeliveries(world, endpointId)).filter((delivery) => delivery.status === status).length;

test('endpoints that never answer get a bounded number of attempts and delay no other endpoint, however many deliveries they have', async () => {
  const { companyId } = await newSubject(world);
  const dead = await openReceiver(() => {});
  const healthy = await openReceiver();
  const deadOnes = [];
  for (let count = 0; count < 10; count += 1) {
    const { id } = await storeEndpoint(world, companyId, `${dead.url}/${count}`);
    // First in the queue.
    await storeAgents(id, companyId, 200);
    deadOnes.push(id);
  }
  const { id } = await storeEndpoint(world, companyId, healthy.url);
  await storeAgents(id, companyId, 60);
  openSender(world);
  await expect.poll(() => countOf(id, 'DELIVERED')).toBe(60);
  // No attempt at a dead endpoint has ended: no other endpoint waited for one.
  const { rows } = await world.sql.query(
    'SELECT sum(attempts)::int AS attempts FROM webhook_delivery WHERE endpoint_id = ANY($1)',
    [deadOnes],
  );
  expect(rows).toEqual([{ attempts: 0 }]);
  for (let count = 0; count < 10; count += 1) {
    const attempts = dead.received.filter(({ path }) => path === `/hook/${count}`);
    expect(attempts.length).toBeLessThanOrEqual(perHealthy);
    expect(attempts.length).toBeGreaterThan(0);
  }
});

test('endpoints that never answer delay no other endpoint of the same origin', async () => {
  const { companyId } = await newSubject(world);
  const receiver = await openReceiver(({ path }, response) => {
    if (path === '/answers') response.writeHead(204).end();
  });
  for (let count = 0; count < 3; count += 1) {
    const { id } = await storeEndpoint(world, companyId, `${receiver.url}${count}`);
    await storeAgents(id, companyId, 2 * perHealthy);
  }
  openSender(world);
  await expect.poll(() => receiver.received.length).toBe(3 * perHealthy);
  const { id } = await storeEndpoint(world, companyId, new URL('/answers', receiver.url).href);
  await storeAgents(id, companyId, 60);
  await expect.poll(() => countOf(id, 'DELIVERED')).toBe(60);
  // No attempt without an answer has ended.
  expect(receiver.received.length).toBe(3 * perHealthy + 60);
});

test('an endpoint that fails gets few concurrent attempts until one succeeds', async () => {
  const { companyId } = await newSubject(world);
  const open: (() => void)[] = [];
  const receiver = await openReceiver((_, response) => open.push(() => response.writeHead(204).end()));
  const { id } = await storeEndpoint(world, companyId, receiver.url);
  await storeAgents(id, companyId, 100);
  await world.sql.query('UPDATE webhook_endpoint SET failing_since = now() WHERE id = $1', [id]);
  const other = await openReceiver();
  const { id: otherId } = await storeEndpoint(world, companyId, other.url);
  openSender(world);
  await expect.poll(() => open.length).toBe(2);
  await storeAgents(otherId, companyId, 1);
  await expect.poll(() => countOf(otherId, 'DELIVERED')).toBe(1);
  // After some more claims there are no further attempts.
  expect(open).toHaveLength(2);
  for (const answer of open.splice(0)) answer();
  await expect.poll(() => open.length).toBe(perHealthy);
});
