import { beforeAll, expect, test } from 'vitest';
import { listedBlocks, storeEnded } from '../support/delivery-lists.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const receiver = 'https://receiver.example/';

/** An agent of another company, with 40,000 deliveries to an endpoint of that company, of which a sixth has failed. */
let busyId: string;
/** An agent with three deliveries, to an endpoint of its company. */
let quietId: string;
let key: string;
let endpointId: string;

/** An integration that no longer manages the company of the busy agent, and its endpoint. */
let former: { readonly key: string; readonly endpointId: string };

beforeAll(async () => {
  // What autovacuum reads would be counted as reads of a list.
  await world.sql.query('ALTER TABLE webhook_delivery SET (autovacuum_enabled = false)');
  const [other, own] = [await world.company(), await world.company()];
  key = own.key;
  busyId = (await world.agent(other.id)).id;
  quietId = (await world.agent(own.id)).id;
  const { id: integrationId, key: formerKey } = await world.ats(other.id, own.id);
  const endpointOf = async (companyId: string, owner = {}) =>
    (await storeEndpoint(world, companyId, receiver, owner)).id;
  former = { key: formerKey, endpointId: await endpointOf(other.id, { integrationId }) };
  endpointId = await endpointOf(own.id);
  await storeEnded(world, await endpointOf(other.id), other.id, 40_000, { agentId: busyId, failing: 6 });
  await world.companies.revoke(integrationId, other.id);
  await world.sql.query('VACUUM ANALYZE webhook_delivery');
  // PostgreSQL now knows of one agent only, as where it finds no other among the rows that it looks at.
  await storeEnded(world, former.endpointId, other.id, 1, { agentId: busyId });
  await storeEnded(world, endpointId, own.id, 3, { agentId: quietId });
});

const filters = [{}, { status: 'FAILED' as const }];

test('the list of an agent of another company reads none of its deliveries, also by an integration that managed it', async () => {
  for (const [asking, id] of [[key, endpointId] as const, [former.key, former.endpointId] as const]) {
    const pagination = { page: 1, limit: 20, total: 0, totalPages: 0, hasNextPage: false, hasPreviousPage: false };
    const { status, body } = await world.call(asking, `GET /webhooks/${id}/deliveries?agentId=${busyId}`);
    expect([status, body]).toEqual([200, { data: [], pagination }]);
    for (const filter of filters) {
      const { items, total, blocks } = await listedBlocks(world, id, ['webhook_delivery'], {
        agentId: busyId,
        ...filter,
      });
      expect([items, total]).toEqual([[], 0]);
      expect(Math.max(...blocks)).toBeLessThan(20);
    }
  }
});

/** The list of the quiet agent's deliveries is right, and reads few blocks. */
async function expectFewBlocks(filter: { readonly status?: 'FAILED' }) {
  const of = { agentId: quietId, ...filter };
  const { items, total, blocks } = await listedBlocks(world, endpointId, ['webhook_delivery'], of);
  const { rows } = await world.sql.query('SELECT id FROM webhook_delivery WHERE agent_id = $1 ORDER BY position DESC', [
    quietId,
  ]);
  expect(rows).toHaveLength(3);
  expect([items.map(({ id }) => ({ id })), total]).toEqual([rows, 3]);
  expect(Math.max(...blocks)).toBeLessThan(50);
}

test.each(filters)(
  'the list of an agent with three deliveries reads a few blocks, where nearly all are of one other, with the filter %o',
  expectFewBlocks,
);

test('the list of an agent’s failed deliveries reads none that failed of many other agents', async () => {
  await world.sql.query('UPDATE webhook_delivery SET agent_id = gen_random_uuid() WHERE agent_id = $1', [busyId]);
  await world.sql.query('VACUUM ANALYZE webhook_delivery');
  await expectFewBlocks({ status: 'FAILED' });
});
