import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { HealthChange } from '../../src/webhooks/delivery.repository.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { trailOf } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const lastError = 'the server could not read the secret of this endpoint';
const reason =
  'The server can no longer read what is stored of this endpoint: rotate its secret, set its headers again and enable it.';
const waiting = { status: 'PENDING', attempts: 0, lastStatus: null, lastError, lastAnswer: null, lease: null };

test('an endpoint that cannot be decrypted fails, in the log once, and is disabled after five days; its deliveries wait', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const before = await storedEndpoint(world, endpoint.id);
  const [errors, changes]: [unknown[], HealthChange[]] = [[], []];
  const { wake } = openSender(
    { ...world, secret: randomUUID().repeat(2) },
    { onError: (error) => errors.push(error), onHealth: (change) => changes.push(change) },
  );
  const change = { id: endpoint.id, url: receiver.url, error: lastError };
  /** Makes what waits due. */
  const retry = async () => {
    await world.sql.query(`UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1`, [endpoint.id]);
    wake();
  };

  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([waiting]);
  const failing = await storedEndpoint(world, endpoint.id);
  expect(failing).toEqual({ ...before, failing_since: expect.any(Date), last_failure_at: failing.failing_since });
  await expect.poll(() => changes).toEqual([{ ...change, health: 'FAILING', reason: null }]);

  await retry();
  const laterFailure = async () => (await storedEndpoint(world, endpoint.id)).last_failure_at > failing.last_failure_at;
  await expect.poll(laterFailure).toBe(true);
  expect(await storedEndpoint(world, endpoint.id)).toEqual({ ...failing, last_failure_at: expect.any(Date) });
  expect(changes).toHaveLength(1);

  await world.sql.query(`UPDATE webhook_endpoint SET failing_since = now() - interval '5 days' WHERE id = $1`, [
    endpoint.id,
  ]);
  await retry();
  await expect.poll(() => changes).toHaveLength(2);
  expect(changes[1]).toEqual({ ...change, health: 'DISABLED', reason });
  expect(await storedEndpoint(world, endpoint.id)).toMatchObject({ status: 'DISABLED', disabled_reason: reason });
  expect((await trailOf(world, endpoint.id)).at(-1)).toMatchObject({
    ...{ action: 'webhook.disabled', operator: 'server' },
    details: { webhookId: endpoint.id, reason },
  });
  expect(await storedDeliveries(world, endpoint.id)).toMatchObject([waiting]);
  expect(receiver.received).toEqual([]);
  expect(errors).toMatchObject([{ message: `webhook ${endpoint.id} cannot be decrypted` }]);
});

test('an endpoint that cannot be decrypted again, after it was mended, is reported again', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const { sealed_secret: sealed } = await storedEndpoint(world, endpoint.id);
  const errors: unknown[] = [];
  const { wake } = openSender(world, { onError: (error) => errors.push(error) });
  const store = (secret: string) =>
    world.sql.query('UPDATE webhook_endpoint SET sealed_secret = $2 WHERE id = $1', [endpoint.id, secret]);
  for (const [at, duration] of [44, 45].entries()) {
    await store('damaged');
    await world.patch(key, id, { duration });
    await expect.poll(async () => (await storedDeliveries(world, endpoint.id)).at(-1)).toMatchObject(waiting);
    await store(sealed);
    await world.sql.query('UPDATE webhook_delivery SET next_attempt_at = now() WHERE endpoint_id = $1', [endpoint.id]);
    wake();
    await expect.poll(() => receiver.received.length).toBe(at + 1);
  }
  const error = { message: `webhook ${endpoint.id} cannot be decrypted` };
  expect(errors).toMatchObject([error, error]);
});

test('an endpoint that fails already and then cannot be decrypted is reported once', async () => {
  const { id, key, companyId } = await newSubject(world);
  const receiver = await openReceiver();
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  await world.sql.query('UPDATE webhook_endpoint SET failing_since = now() WHERE id = $1', [endpoint.id]);
  const errors: unknown[] = [];
  openSender({ ...world, secret: randomUUID().repeat(2) }, { onError: (error) => errors.push(error) });
  await world.patch(key, id, { duration: 44 });
  await expect.poll(() => storedDeliveries(world, endpoint.id)).toMatchObject([waiting]);
  expect(errors).toMatchObject([{ message: `webhook ${endpoint.id} cannot be decrypted` }]);
});
