import type { ServerResponse } from 'node:http';
import { beforeAll, expect, test } from 'vitest';
import { build, startServer } from '../support/process.ts';
import { openReceiver } from '../support/receiver.ts';
import { storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

beforeAll(build);

const start = (grace: string) =>
  startServer({
    ...{ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, SHUTDOWN_GRACE_SECONDS: grace },
    ...{ WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOW_NETWORKS: '127.0.0.0/8' },
  });

/** Two changes of an agent whose events are pending, and a receiver that answers when the test says so. */
async function openCase() {
  const open: ServerResponse[] = [];
  const receiver = await openReceiver((_, response) => open.push(response));
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId);
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  for (const duration of [41, 42]) await world.patch(key, id, { duration });
  return {
    ...receiver,
    answer: () => open.shift()?.writeHead(204).end(),
    stored: async () =>
      (await storedDeliveries(world, endpoint.id)).map(
        ({ status, attempts, lease }) => `${status} ${attempts} ${lease}`,
      ),
  };
}

test('after SIGTERM a running attempt ends, its outcome is written, and no other begins', async () => {
  const { received, answer, stored } = await openCase();
  const { server } = await start('3600');
  await expect.poll(() => received.length).toBe(1);
  server.signal('SIGTERM');
  await server.until(/("msg":"stopping")/);
  answer();
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(await stored()).toEqual(['DELIVERED 1 null', 'PENDING 0 null']);
  expect(received).toHaveLength(1);
});

test('an attempt that outlasts the grace period after SIGTERM is released, and another server makes it at once', async () => {
  const { received, answer, stored } = await openCase();
  const { server } = await start('0');
  await expect.poll(() => received.length).toBe(1);
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(await stored()).toEqual(['PENDING 0 null', 'PENDING 0 null']);
  expect(received).toHaveLength(1);

  await start('3600');
  await expect.poll(() => received.length).toBe(2);
  answer();
  answer();
  await expect.poll(() => received.length).toBe(3);
  answer();
  await expect.poll(stored).toEqual(['DELIVERED 1 null', 'DELIVERED 1 null']);
  expect(received.map(({ event }) => event.data.version)).toEqual([2, 2, 3]);
});
