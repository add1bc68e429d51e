import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { send } from '../support/http.ts';
import { build, startServer } from '../support/process.ts';
import { openReceiver } from '../support/receiver.ts';
import { storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

test('with WEBHOOKS=false a server sends no pending delivery, says so, and leaves them to servers that send', async () => {
  const { url, received } = await openReceiver();
  const { id: companyId, key } = await world.company();
  await storeEndpoint(world, companyId, url);
  const { id } = await world.agent(companyId);
  expect((await world.patch(key, id, { duration: 45 })).status).toBe(200);
  const deliveries = async () =>
    (await world.sql.query('SELECT status, attempts, lease FROM webhook_delivery ORDER BY position')).rows;
  const waiting = { status: 'PENDING', attempts: 0, lease: null };

  const env = {
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret },
    ...{ WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOW_NETWORKS: '127.0.0.0/8' },
  };
  const before = await deliveries();
  expect(before).toContainEqual(waiting);
  const { server } = await startServer({ ...env, WEBHOOKS: 'false' });
  // A server that sends would claim the delivery at once, and at SIGTERM would wait for its attempt.
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(server.stdout).toContain('"msg":"WEBHOOKS=false: this server sends no webhooks"');
  expect(received).toEqual([]);
  expect(await deliveries()).toEqual(before);

  await startServer(env);
  await vi.waitUntil(() => received.length === before.length, { timeout: 60_000 });
});

test('with WEBHOOKS=false a server still deletes deliveries after 30 days, and measures how late the waiting ones are', async () => {
  const { id: companyId, key } = await world.company();
  const endpoint = await storeEndpoint(world, companyId, 'https://hooks.example.com/agents');
  onTestFinished(async () => {
    await world.sql.query('DELETE FROM webhook_endpoint WHERE id = $1', [endpoint.id]);
  });
  const { id } = await world.agent(companyId);
  expect((await world.patch(key, id, { duration: 45 })).status).toBe(200);
  const [created, changed] = await storedDeliveries(world, endpoint.id);
  await world.sql.query(
    `UPDATE webhook_delivery SET status = 'DELIVERED', finished_at = now() - interval '31 days' WHERE id = $1`,
    [created.id],
  );
  await world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() - interval '1 hour' WHERE id = $1`, [
    changed.id,
  ]);
  const [waiting] = (await storedDeliveries(world, endpoint.id)).slice(1);
  const port = await freePort();
  const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, METRICS_PORT: String(port) };
  const { server } = await startServer({ ...env, WEBHOOKS: 'false' });
  const overdue = async () => {
    const { text } = await send(`http://127.0.0.1:${port}`, { method: 'GET', path: '/metrics' });
    return Number(/^interview_agents_webhook_overdue_seconds (\S+)$/m.exec(text)?.[1]);
  };
  const withoutWait = ({ secondsLeft, ...row }: Record<string, unknown>) => row;
  await expect.poll(overdue, { timeout: 60_000 }).toBeGreaterThanOrEqual(3_600);
  await expect
    .poll(async () => (await storedDeliveries(world, endpoint.id)).map(withoutWait), { timeout: 60_000 })
    .toEqual([withoutWait(waiting)]);
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});
