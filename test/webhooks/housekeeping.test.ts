import { expect, onTestFinished, test } from 'vitest';
import { type Meter, silent } from '../../src/metrics/meter.ts';
import { prometheus } from '../../src/metrics/prometheus.ts';
import { deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const set = (endpointId: string, version: number, values: string) =>
  world.sql.query(`UPDATE webhook_delivery SET ${values} WHERE endpoint_id = $1 AND version = $2`, [
    endpointId,
    version,
  ]);

test('finished deliveries, and those that wait for a disabled endpoint, are deleted after 30 days', async () => {
  const { id, key, companyId } = await newSubject(world);
  const { url } = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, url);
  for (let duration = 42; duration < 48; duration += 1) await world.patch(key, id, { duration });
  await world.sql.query(`UPDATE webhook_endpoint SET status = 'DISABLED' WHERE id = $1`, [endpoint.id]);
  await set(endpoint.id, 2, `status = 'DELIVERED', finished_at = now() - interval '30 days 1 minute'`);
  await set(endpoint.id, 3, `status = 'FAILED', finished_at = now() - interval '30 days 1 minute'`);
  await set(endpoint.id, 4, `status = 'DELIVERED', finished_at = now() - interval '29 days 23 hours'`);
  await set(endpoint.id, 5, `next_attempt_at = now() - interval '30 days 1 minute'`);
  await set(endpoint.id, 6, `next_attempt_at = now() - interval '29 days 23 hours'`);
  openSender(world);
  await expect
    .poll(async () => (await storedDeliveries(world, endpoint.id)).map(({ version }) => version))
    .toEqual([4, 6, 7]);
});

test('an old delivery of a disabled endpoint is not deleted while it is claimed or locked, and is not waited for', async () => {
  const { id, key, companyId } = await newSubject(world);
  const endpoint = await storeEndpoint(world, companyId, 'https://receiver.example/');
  for (let duration = 42; duration < 45; duration += 1) await world.patch(key, id, { duration });
  await world.sql.query(`UPDATE webhook_endpoint SET status = 'DISABLED' WHERE id = $1`, [endpoint.id]);
  for (const version of [2, 3, 4]) await set(endpoint.id, version, `next_attempt_at = now() - interval '31 days'`);
  await set(endpoint.id, 3, `lease = gen_random_uuid(), leased_until = now() + interval '1 hour'`);
  const database = openLimited('patient', world.databaseUrl, 1);
  onTestFinished(() => database.close());
  const { deleteOld } = deliveryRepository(database);
  const versions = async () => (await storedDeliveries(world, endpoint.id)).map(({ version }) => version);
  const lock = 'SELECT FROM webhook_delivery WHERE endpoint_id = $1 AND version = 2 FOR NO KEY UPDATE';
  await whileLocked(world, lock, [endpoint.id], async (release) => {
    await deleteOld();
    expect(await versions()).toEqual([2, 3]);
    await release();
  });
  await deleteOld();
  expect(await versions()).toEqual([3]);
  await set(endpoint.id, 3, `leased_until = now() - interval '1 second'`);
  await deleteOld();
  expect(await versions()).toEqual([]);
});

test('metrics count attempts by outcome, and show the age of the oldest overdue delivery and the disabled endpoints', async () => {
  const { id, key, companyId } = await newSubject(world);
  const answers: Record<string, number> = { '/good': 204, '/busy': 503, '/last': 503 };
  // No further attempt during the test.
  const headers = { 'retry-after': '3600' };
  const receiver = await openReceiver(({ path }, response) => response.writeHead(answers[path] ?? 500, headers).end());
  const at = (path: string) => storeEndpoint(world, companyId, receiver.url.replace('/hook', path));
  const [good, busy, last, held] = [await at('/good'), await at('/busy'), await at('/last'), await at('/held')];
  const disabled = await at('/disabled');
  await world.patch(key, id, { duration: 44 });
  await set(last.id, 2, 'attempts = 9');
  // Another process has claimed it.
  await set(held.id, 2, `next_attempt_at = now() - interval '1 hour', leased_until = now() + interval '1 hour'`);
  await set(disabled.id, 2, `next_attempt_at = now() - interval '2 hours'`);
  await world.sql.query(`UPDATE webhook_endpoint SET status = 'DISABLED' WHERE id = $1`, [disabled.id]);
  const { meter, registry } = prometheus({
    poolUse: () => ({ busy: 0, idle: 0, waiting: 0 }),
    droppedLogLines: () => 0,
    historyBytes: async () => 0,
  });
  openSender(world, { meter });
  const sample = async (name: string): Promise<number> => {
    const line = (await registry.metrics()).split('\n').find((text) => text.startsWith(`interview_agents_${name} `));
    return Number(line?.split(' ')[1] ?? 0);
  };
  await expect.poll(() => sample('webhook_attempts_total{outcome="delivered"}')).toBe(1);
  await expect.poll(() => sample('webhook_attempts_total{outcome="retried"}')).toBe(1);
  await expect.poll(() => sample('webhook_attempts_total{outcome="failed"}')).toBe(1);
  await expect.poll(() => sample('webhook_overdue_seconds')).toBeGreaterThanOrEqual(3_600);
  expect(await sample('webhook_overdue_seconds')).toBeLessThan(7_200);
  const { rows } = await world.sql.query(
    `SELECT count(*)::int AS count FROM webhook_endpoint WHERE status = 'DISABLED'`,
  );
  expect(await sample('webhook_endpoints_disabled')).toBe(rows[0].count);
  // An attempt is counted before its outcome is written.
  await expect.poll(() => storedDeliveries(world, good.id)).toMatchObject([{ status: 'DELIVERED' }]);
  await expect.poll(() => storedDeliveries(world, busy.id)).toMatchObject([{ status: 'PENDING', lastStatus: 503 }]);
});

test('metrics show how old an event was at its first attempt, of endpoints that do not fail', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const [slow, failing, retried] = [
    await storeEndpoint(world, companyId, receiver.url),
    await storeEndpoint(world, companyId, receiver.url),
    await storeEndpoint(world, companyId, receiver.url),
  ];
  await world.patch(key, id, { duration: 45 });
  // Each is due now, as the next event of an agent is when the one before it was delivered.
  await set(slow.id, 2, `created_at = now() - interval '2 hours'`);
  await set(failing.id, 2, `created_at = now() - interval '4 hours'`);
  await set(retried.id, 2, `created_at = now() - interval '4 hours', attempts = 1`);
  await world.sql.query('UPDATE webhook_endpoint SET failing_since = now() WHERE id = $1', [failing.id]);
  const seen: number[] = [];
  const meter: Meter = { ...silent, webhooks: ({ overdueSeconds }) => seen.push(overdueSeconds) };
  openSender(world, { meter, measureInterval: 1_000 });
  await expect.poll(() => Math.max(...seen)).toBeGreaterThanOrEqual(7_200);
  const measured = seen.length;
  await expect.poll(() => seen.length).toBeGreaterThan(measured);
  expect(seen.filter((seconds) => seconds >= 7_200 && seconds < 14_400)).toHaveLength(1);
  expect(Math.max(...seen)).toBeLessThan(14_400);
});
