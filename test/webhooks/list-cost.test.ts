import { beforeAll, expect, test } from 'vitest';
import { listedBlocks, storeEnded } from '../support/delivery-lists.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let integrationId: string;
/** The endpoint of the integration, with 40,000 failed deliveries of a company that it no longer manages. */
let endpointId: string;
let managedId: string;

const store = (endpoint: string, companyId: string, count: number) => storeEnded(world, endpoint, companyId, count);

beforeAll(async () => {
  // What autovacuum reads would be counted as reads of a list.
  await world.sql.query('ALTER TABLE webhook_delivery SET (autovacuum_enabled = false)');
  const { id: formerId } = await world.company();
  managedId = (await world.company()).id;
  integrationId = (await world.ats(formerId, managedId)).id;
  endpointId = (await storeEndpoint(world, managedId, 'https://receiver.example/', { integrationId })).id;
  await store(endpointId, managedId, 1);
  await store(endpointId, formerId, 40_000);
  await store(endpointId, managedId, 1);
  await world.companies.revoke(integrationId, formerId);
  await world.sql.query('VACUUM ANALYZE webhook_delivery');
});

test('the list of an integration looks up its companies once, not for each of 40,000 deliveries that it hides', async () => {
  const { items, total, blocks } = await listedBlocks(world, endpointId, ['integration_company', 'webhook_endpoint']);
  const { rows } = await world.sql.query(
    'SELECT id FROM webhook_delivery WHERE company_id = $1 ORDER BY position DESC',
    [managedId],
  );
  expect(rows).toHaveLength(2);
  expect([items.map(({ id }) => ({ id })), total]).toEqual([rows, 2]);
  expect(Math.max(...blocks)).toBeLessThan(100);
});

test.each([undefined, 'FAILED' as const])(
  'the list of an endpoint with a few deliveries reads a few blocks of the 40,000 of another, with the filter %s',
  async (status) => {
    const { id } = await storeEndpoint(world, managedId, 'https://receiver.example/', { integrationId });
    await store(id, managedId, 2);
    const { items, total, blocks } = await listedBlocks(world, id, ['webhook_delivery'], status ? { status } : {});
    expect([items.length, total]).toEqual([2, 2]);
    expect(Math.max(...blocks)).toBeLessThan(100);
  },
);

test('the list of an agent with three deliveries reads a few blocks among 80,000 of 40 other agents', async () => {
  // For few agents PostgreSQL expects many deliveries each, and without a reason not to would read those of all in order.
  const few = `WITH other AS MATERIALIZED (SELECT array_agg(gen_random_uuid()) AS ids FROM generate_series(1, 40))
    UPDATE webhook_delivery SET agent_id = ids[1 + position % 40] FROM other`;
  const { id: agentId } = await world.agent(managedId);
  const { id } = await storeEndpoint(world, managedId, 'https://receiver.example/', { integrationId });
  await store(id, managedId, 40_000);
  await world.sql.query(few);
  const three = 'SELECT id FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY position LIMIT 3';
  await world.sql.query(`UPDATE webhook_delivery SET agent_id = $2 WHERE id IN (${three})`, [id, agentId]);
  await world.sql.query('VACUUM ANALYZE webhook_delivery');
  for (const filter of [{ agentId }, { agentId, status: 'FAILED' as const }]) {
    const { items, total, blocks } = await listedBlocks(world, id, ['webhook_delivery'], filter);
    expect([items.length, total]).toEqual([3, 3]);
    expect(Math.max(...blocks)).toBeLessThan(100);
  }
});
