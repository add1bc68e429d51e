import { randomUUID } from 'node:crypto';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/database/client.ts';
import { silent } from '../../src/metrics/meter.ts';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { webhookWorker } from '../../src/webhooks/worker.ts';
import { blocksOf } from '../support/blocks.ts';
import { recording } from '../support/plans.ts';
import { openReceiver } from '../support/receiver.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
// What it reads would be counted as reads of a claim.
await world.sql.query('ALTER TABLE webhook_delivery SET (autovacuum_enabled = false)');
// Endpoints share what a claim reads, so those of another test would make each claim smaller.
beforeEach(() => world.sql.query('TRUNCATE webhook_delivery'));

/** Stores deliveries of one agent, due an hour ago and later. @returns the id of the agent */
async function storeLine(endpointId: string, length: number): Promise<string> {
  const agentId = randomUUID();
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, version, body, next_attempt_at)
     SELECT $1, 'msg_' || n, 'agent.updated', $2, n, '{}', now() - interval '1 hour' + n * interval '1 millisecond'
       FROM generate_series(1, $3::int) n ORDER BY n`,
    [endpointId, agentId, length],
  );
  return agentId;
}

/** Starts a worker, which stops with the test. @returns the errors that it reports */
function startWorker(database: Database): readonly unknown[] {
  const errors: unknown[] = [];
  const worker = webhookWorker({
    ...{ database, secret: world.secret, previousSecret: undefined, meter: silent },
    ...{ allowHttp: true, allowNetworks: ['127.0.0.0/8'] },
    onError: (error) => errors.push(error),
    onHealth: () => {},
  });
  onTestFinished(async () => {
    await worker.stop(60_000);
    await database.close();
  });
  worker.start(true);
  return errors;
}

/** Holds a snapshot until the test ends, as a dump does: PostgreSQL keeps the index entries of rows that were sent since. */
async function holdSnapshot(): Promise<void> {
  const holder = await world.sql.connect();
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await holder.query('SELECT FROM company');
  onTestFinished(async () => {
    await holder.query('ROLLBACK');
    holder.release();
  });
}

test('a delivery that is due is claimed within 20 claims, although 5,000 that wait for another one were due before', async () => {
  const { id: companyId } = await world.company();
  let claims = 0;
  const receiver = await openReceiver((_, response) => {
    claims = sent.filter(({ sql }) => sql.includes('postponed AS')).length;
    response.writeHead(204).end();
  });
  const { id: endpointId } = await storeEndpoint(world, companyId, receiver.url);
  const held = await storeLine(endpointId, 5_000);
  await world.sql.query(
    `UPDATE webhook_delivery SET leased_until = now() + interval '1 hour' WHERE agent_id = $1 AND version = 1`,
    [held],
  );
  const free = await storeLine(endpointId, 1);
  await world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() WHERE agent_id = $1`, [free]);
  const { sent, database } = recording(openLimited(world.limits, world.databaseUrl, 4));
  const errors = startWorker(database);
  await expect.poll(() => receiver.received.length).toBe(1);
  expect(claims).toBeLessThanOrEqual(20);
  expect(errors).toEqual([]);
});

test('a worker waits 20 ms before its next claim, also while each claim finds a delivery that waits behind another one', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  const agentId = await storeLine(endpointId, 2);
  const change = (columns: string, version: number) =>
    world.sql.query(`UPDATE webhook_delivery SET ${columns} WHERE agent_id = $1 AND version = $2`, [agentId, version]);
  await change(`leased_until = now() + interval '1 hour'`, 1);
  const opened = openLimited(world.limits, world.databaseUrl, 4);
  let endedAt: number | undefined;
  const pauses: number[] = [];
  const postponed = new Set<unknown>();
  const query: Database['query'] = async (statement) => {
    if (!statement.text.includes('postponed AS')) return await opened.query(statement);
    if (endedAt !== undefined) pauses.push(performance.now() - endedAt);
    await change(`next_attempt_at = now() - interval '1 minute'`, 2);
    const rows = await opened.query(statement);
    postponed.add(JSON.stringify(rows));
    endedAt = performance.now();
    return rows;
  };
  const errors = startWorker({ ...opened, query });
  await expect.poll(() => pauses.length).toBeGreaterThan(20);
  // A timer of 20 ms may end a millisecond early.
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(19);
  expect([[...postponed], errors]).toEqual([['[{"claimed":null,"postponed":1}]'], []]);
});

test('what waits behind a failed delivery is due after it', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  const agentId = await storeLine(endpointId, 10);
  await world.sql.query(
    `UPDATE webhook_delivery SET attempts = 1, next_attempt_at = now() + interval '1 hour'
      WHERE agent_id = $1 AND version = 1`,
    [agentId],
  );
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const slots = { healthy: 16, failing: 16, perHealthy: 16, perFailing: 16, running: new Map<string, number>() };
  expect(await deliveryRepository(database).claim(slots)).toEqual({ claimed: [], hasMore: true });
  const { rows } = await world.sql.query(
    'SELECT version FROM webhook_delivery WHERE agent_id = $1 ORDER BY next_attempt_at, version DESC LIMIT 1',
    [agentId],
  );
  expect(rows).toEqual([{ version: 1 }]);
});

test('a claim reads past what was sent during a long transaction once', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  await holdSnapshot();
  await storeLine(endpointId, 20_000);
  await world.sql.query(
    `UPDATE webhook_delivery SET status = 'DELIVERED', finished_at = now() WHERE endpoint_id = $1`,
    [endpointId],
  );
  const due = await storeLine(endpointId, 1);
  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE agent_id = $1', [due]);
  await world.sql.query('ANALYZE webhook_delivery');
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const { claim } = deliveryRepository(database);
  const slots = { healthy: 16, failing: 16, perHealthy: 16, perFailing: 16, running: new Map<string, number>() };
  await claim({ ...slots, running: new Map([[endpointId, 16]]) });
  await world.sql.query('SELECT pg_stat_force_next_flush()');
  const blocks = async (task: () => Promise<unknown>) => await blocksOf(database, world.sql, 'webhook_delivery', task);
  // Without a free slot for the endpoint, it is found to have something due, which is not looked up.
  const found = await blocks(() => claim({ ...slots, running: new Map([[endpointId, 16]]) }));
  expect(await blocks(() => claim(slots))).toBeLessThan(found + 100);
});

test('a claim of 500 deliveries of one agent reads past what was sent to it during a long transaction once', async () => {
  const { id: companyId } = await world.company();
  const { id: endpointId } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  await holdSnapshot();
  const agentId = await storeLine(endpointId, 2_500);
  const change = (columns: string, versions: string) =>
    world.sql.query(`UPDATE webhook_delivery SET ${columns} WHERE agent_id = $1 AND version ${versions}`, [agentId]);
  await change(`status = 'DELIVERED', finished_at = now()`, '<= 2000');
  await change(`leased_until = now() + interval '1 hour'`, '= 2001');
  await world.sql.query('ANALYZE webhook_delivery');
  const database = openLimited(world.limits, world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const { claim } = deliveryRepository(database);
  const slots = { healthy: 16, failing: 16, perHealthy: 16, perFailing: 16, running: new Map<string, number>() };
  await claim(slots);
  await world.sql.query('SELECT pg_stat_force_next_flush()');
  const repeated = () => claim(slots, true);
  expect(await blocksOf(database, world.sql, 'webhook_delivery', repeated)).toBeLessThan(20_000);
});
