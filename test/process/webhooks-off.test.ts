import { beforeAll, expect, test, vi } from 'vitest';
import { build, startServer } from '../support/process.ts';
import { openReceiver } from '../support/receiver.ts';
import { storeEndpoint } from '../support/sending.ts';
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
