import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { blocksOf } from '../support/blocks.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld, type World } from '../support/world.ts';

const world = await openWorld();

/** A connection keeps its plans until the statistics change, so each moment of ANALYZE has a database of its own. */
const moments = [
  { moment: 'was never counted', world: await openWorld(), prepare: async () => {} },
  {
    moment: 'was counted while nothing was pending',
    world: await openWorld(),
    prepare: async (owner: pg.PoolClient, endpointId: string) => {
      await store(owner, endpointId, { status: 'DELIVERED', agents: 50, of: 2_000 });
      await owner.query('ANALYZE webhook_delivery');
    },
  },
  {
    moment: 'was counted while a few were pending',
    world: await openWorld(),
    prepare: async (owner: pg.PoolClient, endpointId: string, world: World) => {
      await store(owner, endpointId, { status: 'DELIVERED', agents: 50, of: 2_000 });
      const { id: companyId } = await world.company();
      for (let count = 0; count < 20; count += 1) {
        const other = await storeEndpoint(world, companyId, 'https://receiver.example/');
        await store(owner, other.id, { status: 'DELIVERED', agents: 20, of: 200 });
        await store(owner, other.id, { status: 'PENDING', agents: 3, of: 3 });
      }
      await owner.query('ANALYZE webhook_delivery');
    },
  },
];

interface Stored {
  readonly status: string;
  readonly agents: number;
  readonly of: number;
}

/** A connection as the owner, without triggers, to a table that is never vacuumed beside the test, which would count as reads. */
async function openOwner({ sql }: World): Promise<pg.PoolClient> {
  const owner = await sql.connect();
  onTestFinished(() => owner.release(true));
  await owner.query('ALTER TABLE webhook_delivery SET (autovacuum_enabled = false)');
  await owner.query('SET session_replication_role = replica');
  return owner;
}

/** A connection as the server, whose reads of the table can be counted. */
function openServer({ databaseUrl, sql }: World) {
  const database = openLimited('patient', databaseUrl, 1);
  onTestFinished(() => database.close());
  const blocks = (task: () => Promise<unknown>) => blocksOf(database, sql, 'webhook_delivery', task);
  return { deliveries: deliveryRepository(database), blocks };
}

/** Stores deliveries of one endpoint for `count` agents. */
const store = (owner: pg.PoolClient, endpointId: string, { status, agents, of }: Stored) =>
  owner.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, version, body, status)
     SELECT $1::uuid, 'msg_' || n, 'agent.updated', md5(((n % $2::int)::text))::uuid, n, repeat('b', 300), $3
       FROM generate_series(1, $4::int) n`,
    [endpointId, agents, status, of],
  );

/** Stores a delivery of one agent. @returns its id */
async function storeOne(owner: pg.PoolClient, endpointId: string, agentId: string, status: string): Promise<string> {
  const { rows } = await owner.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, version, body, status)
     VALUES ($1, 'msg_1', 'agent.updated', $2, 1, 'b', $3) RETURNING id`,
    [endpointId, agentId, status],
  );
  return rows[0].id;
}

const batch = 16;

const goingOn = (ids: readonly string[]) => ids.map((id) => ({ id, mayGoOn: true }));

const outcomeOf = (of: { readonly id: string; readonly endpointId: string; readonly lease: string }) => ({
  ...of,
  url: 'https://receiver.example/',
  endpointChangedAt: '2026-11-29T00:00:00Z',
  status: 'DELIVERED' as const,
  wait: 0,
  ...{ isAttempt: true, isUnreadable: false, isGone: false },
  lastStatus: 204,
  lastError: null,
  lastAnswer: null,
});

const free = { healthy: 8, failing: 2, perHealthy: 8, perFailing: 1, running: new Map<string, number>() };

test.each(moments)(
  'the next delivery of an agent, and what is due, cost a few blocks among 200,000 if the table $moment',
  async ({ world, prepare }) => {
    const { id: companyId } = await world.company();
    const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
    const owner = await openOwner(world);
    const { deliveries, blocks } = openServer(world);
    await prepare(owner, endpointId, world);
    const none = Array.from({ length: batch }, () => randomUUID());
    // PostgreSQL keeps a generic plan from the sixth execution on.
    for (let count = 0; count < 7; count += 1) {
      await deliveries.claim({ ...free, running: new Map([[endpointId, free.perHealthy]]) });
      await deliveries.next(goingOn(none));
      await deliveries.finish(none.map((id) => outcomeOf({ id, endpointId, lease: randomUUID() })));
    }

    await store(owner, endpointId, { status: 'DELIVERED', agents: 200, of: 100_000 });
    await store(owner, endpointId, { status: 'PENDING', agents: 200, of: 100_000 });
    const agentIds = Array.from({ length: batch }, () => randomUUID());
    const before: string[] = [];
    const next: string[] = [];
    for (const agentId of agentIds) {
      before.push(await storeOne(owner, endpointId, agentId, 'DELIVERED'));
      next.push(await storeOne(owner, endpointId, agentId, 'PENDING'));
    }
    // Reports what the inserts read before the measurement begins.
    await owner.query('SELECT pg_stat_force_next_flush()');

    let claimed = await deliveries.next([]);
    expect(
      await blocks(async () => {
        claimed = await deliveries.next(goingOn(before));
      }),
    ).toBeLessThan(batch * 45);
    const found = [...claimed.values()].filter((one) => one !== null);
    expect(found.map(({ id }) => id).toSorted()).toEqual(next.toSorted());
    const outcomes = found.map(({ id, lease = '' }) => outcomeOf({ id, endpointId, lease }));
    expect(await blocks(() => deliveries.finish(outcomes))).toBeLessThan(batch * 30);
    // The 8 that are claimed and the 4 spare ones, and for each the first delivery of its agent.
    expect(await blocks(() => deliveries.claim(free))).toBeLessThan(12 * 60);
  },
);

test('a claim postpones what waits behind a delivery for longer the older it is, in a few blocks among 20,000', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  const owner = await openOwner(world);
  await store(owner, endpointId, { status: 'PENDING', agents: 1, of: 20_000 });
  await owner.query(
    `UPDATE webhook_delivery SET next_attempt_at = now() - interval '1 day' + version * interval '1 second',
            created_at = now() - CASE version WHEN 2 THEN interval '1 hour' WHEN 3 THEN interval '4 minutes' ELSE '0' END
      WHERE endpoint_id = $1`,
    [endpointId],
  );
  // The planner then knows how many are pending, and expects a claim to read a tenth of them.
  await owner.query('VACUUM ANALYZE webhook_delivery');
  const { deliveries, blocks } = openServer(world);
  await deliveries.claim({ ...free, healthy: 0, failing: 0 });
  await owner.query('SELECT pg_stat_force_next_flush()');
  expect(await blocks(() => deliveries.claim({ ...free, perHealthy: 8 }))).toBeLessThan(12 * 60);
  const { rows } = await owner.query(
    `SELECT d.version, extract(epoch FROM d.next_attempt_at - h.at)::float8 AS seconds,
            extract(epoch FROM h.at - d.created_at)::float8 AS age
       FROM webhook_delivery d, (SELECT leased_until - interval '20 seconds' AS at FROM webhook_delivery
                                  WHERE endpoint_id = $1 AND leased_until IS NOT NULL) h
      WHERE d.endpoint_id = $1 AND d.version BETWEEN 2 AND 4 ORDER BY d.version`,
    [endpointId],
  );
  expect(rows.map(({ version, seconds, age }) => [version, seconds / (version === 3 ? age : 1)])).toEqual([
    [2, expect.closeTo(300, 2)],
    [3, expect.closeTo(1 / 4, 2)],
    [4, expect.closeTo(20, 2)],
  ]);
});

test('claims of redeliveries and pings do not read the ordered deliveries, nor the other way round', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  const owner = await openOwner(world);
  const { deliveries, blocks } = openServer(world);
  await store(owner, endpointId, { status: 'PENDING', agents: 200, of: 20_000 });
  const agentId = '00000000-0000-0000-0000-000000000000';
  const before = await storeOne(owner, endpointId, agentId, 'DELIVERED');
  await owner.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, version, body, is_redelivery, next_attempt_at)
     SELECT $1::uuid, 'msg_' || n, 'agent.updated', $2, n, 'b', true, now() - interval '1 hour' FROM generate_series(1, 10000) n`,
    [endpointId, agentId],
  );
  await owner.query('ANALYZE webhook_delivery');
  await owner.query('SELECT pg_stat_force_next_flush()');
  await deliveries.next([]);
  expect(await blocks(() => deliveries.next(goingOn([before])))).toBeLessThan(60);
  expect(await blocks(() => deliveries.claim(free))).toBeLessThan(12 * 30);

  await owner.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, body, next_attempt_at)
     SELECT $1, 'msg_ping' || n, 'ping', 'b', now() - interval '2 hours' FROM generate_series(1, 20) n`,
    [endpointId],
  );
  await owner.query('SELECT pg_stat_force_next_flush()');
  expect(await blocks(() => deliveries.claim(free))).toBeLessThan(12 * 30);
});
