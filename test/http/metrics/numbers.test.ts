import { randomBytes } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { historyBytes } from '../../../src/agents/history/repository.ts';
import { openDatabase } from '../../../src/database/client.ts';
import { retryReasons } from '../../../src/metrics/meter.ts';
import { prometheus } from '../../../src/metrics/prometheus.ts';
import { openLink } from '../../support/database-link.ts';
import { send } from '../../support/http.ts';
import { untilWaiting, whileAgentLocked, whileLocked } from '../../support/locks.ts';
import { openMeasured } from '../../support/measured.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const patch = (origin: string, key: string, id: string, body: object = {}, headers = {}) =>
  send(origin, {
    path: `/agents/${id}`,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const ofPatch = (status: number, code = 'none') =>
  `interview_agents_request_seconds_count{method="PATCH",route="/agents/:id",status="${status}",code="${code}"}`;

test('requests are counted by method, route, status and code, also without a route', async () => {
  const { id, key } = await newSubject(world);
  const { origin, read } = await openMeasured(world);
  for (let count = 0; count < 3; count += 1) await patch(origin, key, id, { duration: 40 + count });
  await patch(origin, key, id, { duration: 500 });
  await send(origin, { method: 'GET', path: '/nowhere' });
  await expect.poll(() => read(ofPatch(200))).toBe(3);
  await expect.poll(() => read(ofPatch(400, 'VALIDATION_FAILED'))).toBe(1);
  await expect
    .poll(() =>
      read('interview_agents_request_seconds_count{method="GET",route="none",status="404",code="ROUTE_NOT_FOUND"}'),
    )
    .toBe(1);
});

test('batches are counted with their size, their wait and the queue length', async () => {
  const { id, companyId, key } = await newSubject(world);
  const others = await Promise.all(Array.from({ length: 40 }, () => world.agent(companyId)));
  const { origin, read } = await openMeasured(world);
  await whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
    const first = patch(origin, key, id, { duration: 44 });
    await untilWaiting(world);
    const rest = others.map((agent) => patch(origin, key, agent.id, { duration: 45 }));
    await send(origin, { method: 'GET', path: '/agents?limit=1', headers: { authorization: `Bearer ${key}` } });
    await release();
    for (const answer of await Promise.all([first, ...rest])) expect(answer.status).toBe(200);
  });
  const size = (of: string) => read(`interview_agents_batch_size_sum{of="${of}"}`);
  const batches = await read('interview_agents_batch_size_count{of="changes"}');
  expect(await size('changes')).toBe(41);
  expect(batches).toBeLessThan(41);
  expect(await read('interview_agents_batch_wait_seconds_count{of="changes"}')).toBe(batches);
  expect(await read('interview_agents_batch_wait_seconds_sum{of="changes"}')).toBeGreaterThan(0);
  expect(await read('interview_agents_queue_length{of="changes"}')).toBe(0);
  expect(await size('keys')).toBe(42);
});

test('changes that run again are counted by reason: a locked row, a batch that was rolled back, an idempotency key in use', async () => {
  const { id, companyId, key, keyId } = await newSubject(world);
  const { origin, read } = await openMeasured(world);
  const repeated = (why: string) => read(`interview_agents_changes_repeated_total{why="${why}"}`);
  await whileAgentLocked(world, id, async (release) => {
    const held = patch(origin, key, id, { duration: 46 });
    await vi.waitUntil(async () => (await repeated('held')) > 0, { timeout: 60_000, interval: 5 });
    await release();
    expect((await held).status).toBe(200);
  });
  expect(await repeated('lost')).toBe(1);
  expect(await repeated('undone')).toBe(0);

  await world.sql.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at, created_at)
     VALUES ($1, 'old', '', $2, '{}', '{}', now(), now() - interval '25 hours')`,
    [keyId, id],
  );
  expect((await patch(origin, key, id, { duration: 47 }, { 'idempotency-key': 'old' })).status).toBe(200);
  // The batch is rolled back, then the change alone, which finds the expired answer in its place.
  expect(await repeated('undone')).toBe(2);

  const others = await Promise.all(Array.from({ length: 20 }, () => world.agent(companyId)));
  await world.sql.query(`ALTER TABLE agent ADD CONSTRAINT poison CHECK (duration <> 99) NOT VALID`);
  await Promise.all(others.map((agent, at) => patch(origin, key, agent.id, { duration: at === 10 ? 99 : 48 })));
  await world.sql.query('ALTER TABLE agent DROP CONSTRAINT poison');
  expect(await repeated('undone')).toBeGreaterThan(2);
});

test('a change that gives a phone number runs alone and is not counted as one that ran again', async () => {
  const { id, companyId, key } = await newSubject(world);
  const companyPhoneNumberId = await world.phoneNumber(companyId);
  const { origin, read } = await openMeasured(world);
  expect(await patch(origin, key, id, { companyPhoneNumberId })).toMatchObject({
    ...{ status: 200, headers: { 'agent-phone-number-id': companyPhoneNumberId } },
  });
  expect(await read('interview_agents_batch_size_sum{of="changes alone"}')).toBe(1);
  for (const why of retryReasons) expect(await read(`interview_agents_changes_repeated_total{why="${why}"}`)).toBe(0);
});

test('429s are counted for keys and for addresses', async () => {
  const { id, companyId } = await newSubject(world);
  const { origin, read } = await openMeasured(world);
  const limited = await world.limitedKey(companyId, { perMinute: 1 });
  expect((await patch(origin, limited, id)).status).toBe(200);
  expect((await patch(origin, limited, id)).status).toBe(429);
  expect((await patch(origin, 'wrong', id)).status).toBe(401);
  for (let count = 0; count < 2; count += 1) expect((await patch(origin, 'wrong', id)).status).toBe(429);
  expect(await read('interview_agents_rate_limited_total{whom="key"}')).toBe(1);
  expect(await read('interview_agents_rate_limited_total{whom="address"}')).toBe(2);
});

test('the connection metrics are those of the pool', async () => {
  const database = openDatabase({ url: world.databaseUrl, connections: 1 });
  const { registry } = prometheus({ poolUse: database.poolUse, droppedLogLines: () => 0, historyBytes: async () => 0 });
  const state = async (name: string) => {
    const lines = (await registry.metrics()).split('\n');
    return lines.find((line) => line.startsWith(`interview_agents_database_connections{state="${name}"}`));
  };
  await database.query({ text: 'SELECT 1', values: [] });
  expect(await state('idle')).toMatch(/ 1$/);
  // Reads the metrics while the one connection is in use.
  const late = await database.transaction(async () => {
    const waiting = database.query({ text: 'SELECT 1', values: [] });
    expect(await state('busy')).toMatch(/ 1$/);
    expect(await state('waiting')).toMatch(/ 1$/);
    return { waiting };
  });
  await late.waiting;
  await database.close();
});

test('a scrape shows the size of history and kept answers and whether the database answers; during a lock or an outage the last known size stays, and one that was never known is left out', async () => {
  const link = await openLink(world.databaseUrl);
  const sources = { poolUse: () => ({ busy: 0, idle: 0, waiting: 0 }), droppedLogLines: () => 0 };
  const { registry } = prometheus({ ...sources, historyBytes: () => historyBytes(link.url) });
  const read = async () => {
    const text = await registry.metrics();
    return ['database_up', 'history_bytes'].map((name) =>
      Number(new RegExp(`^interview_agents_${name} (\\S+)$`, 'm').exec(text)?.[1]),
    );
  };
  const size = async () => {
    const { rows } = await world.sql.query(
      "SELECT (pg_total_relation_size('agent_version') + pg_total_relation_size('idempotency_key'))::int AS size",
    );
    return rows[0].size;
  };
  await newSubject(world);
  const before = await size();
  expect(await read()).toEqual([1, before]);
  // Servers of the same role must not take it for one of theirs.
  expect(link.asked()).toContain('application_name\0interview-agents-api metrics\0');
  const { id, key } = await newSubject(world);
  const instructions = () => randomBytes(1_000).toString('hex');
  for (let count = 0; count < 20; count += 1) {
    expect((await world.patch(key, id, { instructions: instructions() })).status).toBe(200);
  }
  const written = await size();
  expect(written).toBeGreaterThan(before);
  expect(await read()).toEqual([1, written]);
  // No change, but its answer is kept with the whole agent.
  for (let count = 0; count < 20; count += 1) {
    const kept = await world.patch(key, id, {}, { headers: { 'idempotency-key': randomBytes(9).toString('hex') } });
    expect(kept).toMatchObject({ status: 200, headers: { etag: '"21"' } });
  }
  const after = await size();
  expect(after).toBeGreaterThan(written);
  expect(await read()).toEqual([1, after]);
  // A migration takes this lock; the scrape must not wait for it.
  await whileLocked(world, 'LOCK TABLE agent_version', [], async () => expect(await read()).toEqual([1, after]));
  await link.cutOff();
  expect(await read()).toEqual([0, after]);
  const { registry: fresh } = prometheus({ ...sources, historyBytes: () => historyBytes(link.url) });
  const text = await fresh.metrics();
  expect(text).toMatch(/^interview_agents_database_up 0$/m);
  expect(text).not.toMatch(/^interview_agents_history_bytes /m);
  await link.repair();
  expect(await read()).toEqual([1, after]);
});

test('limit_store_lost is 1 only while the counts should be shared and are not', async () => {
  const { meter, registry } = prometheus({
    ...{ poolUse: () => ({ busy: 0, idle: 0, waiting: 0 }), droppedLogLines: () => 0, historyBytes: async () => 0 },
  });
  const read = () =>
    Promise.all(
      ['limits_shared', 'limit_store_lost'].map(async (name) =>
        (await registry.getSingleMetricAsString(`interview_agents_rate_${name}`)).slice(-1),
      ),
    );
  expect(await read()).toEqual(['0', '0']);
  meter.countsAreShared(false);
  expect(await read()).toEqual(['0', '1']);
  meter.countsAreShared(true);
  expect(await read()).toEqual(['1', '0']);
});
