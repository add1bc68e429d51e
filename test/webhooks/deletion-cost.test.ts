import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { eraseDeliveriesStatement } from '../../src/agents/erase.statements.ts';
import { eraseCompany } from '../../src/companies/erase.repository.ts';
import { eraseEndpointDeliveriesStatement } from '../../src/companies/erase.statements.ts';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { dropDeliveriesStatement } from '../../src/webhooks/endpoint.statements.ts';
import { webhookRepository } from '../../src/webhooks/repository.ts';
import { sealer } from '../../src/webhooks/sealer.ts';
import { webhookService } from '../../src/webhooks/service.ts';
import { blocksOf } from '../support/blocks.ts';
import { directCaller } from '../support/direct-caller.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld, type World } from '../support/world.ts';

// Each test counts the rows of a database of its own.
const dropping = await openWorld();
const removing = await openWorld();
const erasing = await openWorld();
const erasingCompany = await openWorld();
const erasingEndpoint = await openWorld();
const ending = [
  { status: 'DELIVERED', world: await openWorld(), each: 8 },
  { status: 'PENDING', world: await openWorld(), each: 7 },
];

/** Stores 40,000 deliveries of one endpoint and two agents, 31 days old, and has PostgreSQL count them for its plans. */
async function storeMany(world: World, status: string) {
  const agents = [randomUUID(), randomUUID()];
  // What autovacuum reads would be counted as reads of a deletion.
  await world.sql.query('ALTER TABLE webhook_delivery SET (autovacuum_enabled = false)');
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, version, body, status, next_attempt_at, finished_at)
     SELECT $1, 'msg_' || n, 'agent.updated', ($3::uuid[])[n % 2 + 1], n, repeat('b', 1000), $2::text, now() - interval '31 days',
            CASE WHEN $2 = 'DELIVERED' THEN now() - interval '31 days' END
       FROM generate_series(1, 40000) n`,
    [endpointId, status, agents],
  );
  await world.sql.query(`UPDATE webhook_endpoint SET status = 'DISABLED'`);
  await world.sql.query('VACUUM ANALYZE webhook_delivery');
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  await world.sql.query('SELECT pg_stat_force_next_flush()');
  const blocks = (task: () => Promise<unknown>) => blocksOf(database, world.sql, 'webhook_delivery', task);
  const left = async (): Promise<number> => {
    const { rows } = await world.sql.query('SELECT count(*)::int AS left FROM webhook_delivery');
    return rows[0].left;
  };
  return { companyId, endpointId, agents, database, blocks, left };
}

test('deleting 100 deliveries of an endpoint reads a few blocks each among 40,000', async () => {
  const { endpointId, database, blocks, left } = await storeMany(dropping, 'DELIVERED');
  await database.query(dropDeliveriesStatement(endpointId, 0));
  expect(await blocks(() => database.query(dropDeliveriesStatement(endpointId, 100)))).toBeLessThan(100 * 10);
  expect(await left()).toBe(40_000 - 100);
});

test('deleting an endpoint without deliveries reads a few blocks of the 40,000 of another', async () => {
  const { endpointId, database, blocks, left } = await storeMany(removing, 'DELIVERED');
  const company = await removing.company();
  const by = { ...directCaller(company), owner: { companyId: company.id, integrationId: null } };
  const rules = { allowHttp: false, allowNetworks: [] };
  const { remove } = webhookService(webhookRepository(database), sealer(removing), rules);
  const removeNew = async () => {
    const { id } = await storeEndpoint(removing, company.id, 'https://receiver.example/');
    await remove(by, { id });
  };
  await removeNew();
  expect(await blocks(removeNew)).toBeLessThan(100);
  expect(await left()).toBe(40_000);
  const { rows } = await removing.sql.query('SELECT id FROM webhook_endpoint');
  expect(rows).toEqual([{ id: endpointId }]);
});

test.each(ending)(
  'deleting 500 old deliveries that are $status reads a few blocks each',
  async ({ status, world, each }) => {
    const { database, blocks, left } = await storeMany(world, status);
    const { deleteOld } = deliveryRepository(database);
    await deleteOld();
    expect(await blocks(deleteOld)).toBeLessThan(500 * each);
    expect(await left()).toBe(40_000 - 1_000);
  },
);

test('erasing 100 deliveries of agents, or finding none, reads a few blocks each among 40,000', async () => {
  const { agents, database, blocks, left } = await storeMany(erasing, 'DELIVERED');
  const erase = (ids: readonly string[], limit: number) => database.query(eraseDeliveriesStatement(ids, limit));
  await erase(agents, 0);
  expect(await blocks(() => erase(agents.slice(0, 1), 100))).toBeLessThan(100 * 10);
  expect(await left()).toBe(40_000 - 100);
  expect(await blocks(() => erase([randomUUID()], 100))).toBeLessThan(50);
});

test('erasing 100 deliveries to endpoints of a company, or finding none, reads a few blocks each among 40,000', async () => {
  const { companyId, database, blocks, left } = await storeMany(erasingCompany, 'DELIVERED');
  const { id: emptyId } = await erasingCompany.company();
  await storeEndpoint(erasingCompany, emptyId, 'https://receiver.example/');
  const erase = (id: string, limit: number) => database.query(eraseEndpointDeliveriesStatement(id, limit));
  await erase(companyId, 0);
  expect(await blocks(() => erase(companyId, 100))).toBeLessThan(100 * 10);
  expect(await left()).toBe(40_000 - 100);
  expect(await blocks(() => erase(emptyId, 100))).toBeLessThan(50);
});

test('erasing a company whose endpoint has no deliveries reads a few blocks of the 40,000 of another', async () => {
  const { endpointId, left } = await storeMany(erasingEndpoint, 'DELIVERED');
  // As where one role is the owner and that of the servers.
  const url = new URL(erasingEndpoint.ownerUrl);
  url.searchParams.set('options', '-c plan_cache_mode=force_generic_plan');
  const database = openLimited('patient', url.href, 1);
  onTestFinished(() => database.close());
  const { id } = await erasingEndpoint.company();
  await storeEndpoint(erasingEndpoint, id, 'https://receiver.example/');
  await erasingEndpoint.sql.query('UPDATE api_key SET revoked_at = now()');
  const { rows } = await erasingEndpoint.sql.query('SELECT name FROM company WHERE id = $1', [id]);
  const erase = () => eraseCompany(database, id, rows[0].name, 'test');
  expect(await blocksOf(database, erasingEndpoint.sql, 'webhook_delivery', erase)).toBeLessThan(200);
  expect(await left()).toBe(40_000);
  const endpoints = await erasingEndpoint.sql.query('SELECT id FROM webhook_endpoint');
  expect(endpoints.rows).toEqual([{ id: endpointId }]);
});
