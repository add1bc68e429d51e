import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const notPublic = 'the name has no address, or one that is not public';

test('a delivery that reached no receiver is retried, and arrives once its name resolves to an allowed receiver', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const zone = new Map([
    ['inside.example', ['10.0.0.1']],
    ['mixed.example', ['127.0.0.1', '10.0.0.1']],
    ['nothing.example', []],
    // No server listens there.
    ['refusing.example', ['127.0.0.2']],
  ]);
  const resolve = async (name: string) =>
    zone.get(name) ?? Promise.reject(Object.assign(new Error('unknown name'), { code: 'ENOTFOUND' }));
  const names = [...zone.keys(), 'unknown.example'];
  const endpoints = new Map<string, string>();
  for (const name of names) {
    endpoints.set(name, (await storeEndpoint(world, companyId, `http://${name}:${receiver.port}/${name}`)).id);
  }
  const { wake } = openSender(world, { resolve });
  await world.patch(key, id, { duration: 44 });

  const outcomes = async () => {
    const results = await Promise.all(
      [...endpoints].map(async ([name, endpointId]) => {
        const [delivery] = await storedDeliveries(world, endpointId);
        return [name, `${delivery.status} ${delivery.lastStatus} ${delivery.lastError}`];
      }),
    );
    return Object.fromEntries(results);
  };
  await expect.poll(outcomes).toEqual({
    'inside.example': `PENDING null ${notPublic}`,
    'mixed.example': `PENDING null ${notPublic}`,
    'nothing.example': `PENDING null ${notPublic}`,
    'refusing.example': 'PENDING null no answer: ECONNREFUSED',
    'unknown.example': `PENDING null ${notPublic}`,
  });
  expect(receiver.received).toEqual([]);

  for (const name of names) zone.set(name, ['127.0.0.1']);
  await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE company_id = $1', [companyId]);
  wake();
  await expect.poll(outcomes).toEqual(Object.fromEntries(names.map((name) => [name, 'DELIVERED 204 null'])));
  expect(receiver.received.map(({ path }) => path).toSorted()).toEqual(names.map((name) => `/${name}`).toSorted());
});
