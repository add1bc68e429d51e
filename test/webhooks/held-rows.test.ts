import { expect, onTestFinished, test } from 'vitest';
import { type Claimed, deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { outcomeOf, unreadable } from '../../src/webhooks/outcome.ts';
import { outcomeWriter } from '../../src/webhooks/outcome-writer.ts';
import { whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedDeliveries, storedEndpoint, storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const room = { healthy: 100, failing: 100, perHealthy: 10, perFailing: 10, running: new Map<string, number>() };
const received = { isDelivered: true, status: 204, error: null, answer: '' } as const;
const failed = { isDelivered: false, status: 500, error: 'the answer was 500', answer: '' } as const;

/** Companies with an endpoint and an agent each, whose first of two deliveries is claimed; and a writer of outcomes. */
async function openClaimed(count: number) {
  const database = openLimited('patient', world.databaseUrl, 2);
  onTestFinished(() => database.close());
  const deliveries = deliveryRepository(database);
  const endpointIds: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const { id, key, companyId } = await newSubject(world);
    const endpoint = await storeEndpoint(world, companyId, 'https://hooks.example.com/');
    for (const duration of [42, 43]) await world.patch(key, id, { duration });
    endpointIds.push(endpoint.id);
  }
  const { claimed } = await deliveries.claim(room);
  const firsts = endpointIds.flatMap((id) => claimed.filter(({ endpointId }) => endpointId === id));
  const errors: unknown[] = [];
  const stopping = new AbortController();
  const write = outcomeWriter({
    ...{ deliveries, onHealth: () => {}, signal: stopping.signal },
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => expect(errors).toEqual([]));
  return { firsts, deliveries, write, errors, stopping };
}

function lost(): never {
  throw new Error('a delivery was not claimed');
}

/** What is stored of the deliveries of an endpoint: of each its status, and how often it was tried. */
const shown = async ({ endpointId }: Pick<Claimed, 'endpointId'>) =>
  (await storedDeliveries(world, endpointId)).map(({ status, attempts }) => `${status} ${attempts}`);

const locks = {
  'the endpoint of another company': 'SELECT FROM webhook_endpoint WHERE id = $1 FOR UPDATE',
  'a delivery of another company':
    "SELECT FROM webhook_delivery WHERE endpoint_id = $1 AND lease IS NOT NULL AND status = 'PENDING' FOR UPDATE",
  'the delivery that follows one of another company':
    "SELECT FROM webhook_delivery WHERE endpoint_id = $1 AND lease IS NULL AND status = 'PENDING' FOR UPDATE",
};

test.each(Object.entries(locks))(
  'while %s is locked, outcomes are written and next deliveries claimed, and its own are once it is free',
  async (_, lock) => {
    const { firsts, write } = await openClaimed(2);
    const [locked = lost(), other = lost()] = firsts;
    const [first, second] = await whileLocked(world, lock, [locked.endpointId], async (release) => {
      // In one batch, the locked one first.
      const writing = firsts.map((claimed) => write({ outcome: outcomeOf(claimed, received), mayGoOn: () => true }));
      const written = await writing[1];
      expect(await shown(other)).toEqual(['DELIVERED 1', 'PENDING 0']);
      // Another batch, and the retries of the locked one meanwhile.
      await write({ outcome: outcomeOf(other, received), mayGoOn: () => true });
      await release();
      return [await writing[0], written];
    });
    expect(await shown(locked)).toEqual(['DELIVERED 1', 'PENDING 0']);
    for (const [of, next] of [[locked, first] as const, [other, second] as const]) {
      const [, following] = await storedDeliveries(world, of.endpointId);
      expect(next).toMatchObject({ id: following.id, lease: following.lease, attempts: 0 });
      expect(await storedEndpoint(world, of.endpointId)).toMatchObject({
        ...{ last_success_at: expect.any(Date), last_failure_at: null, failing_since: null },
      });
    }
  },
);

const lockEndpoint = locks['the endpoint of another company'];

const failures = [
  ['a failure', (claimed: Claimed) => outcomeOf(claimed, failed), 1],
  ['that the endpoint cannot be decrypted', unreadable, 0],
] as const;

test.each(failures)(
  'a success is written while its endpoint is locked if only lastSuccessAt would change, %s after that',
  async (_, failureOf, attempts) => {
    const { firsts, deliveries } = await openClaimed(1);
    const [{ id, endpointId } = lost(), ...none] = firsts;
    expect(none).toEqual([]);
    await world.sql.query("UPDATE webhook_endpoint SET last_success_at = now() - interval '1 hour' WHERE id = $1", [
      endpointId,
    ]);
    const before = await storedEndpoint(world, endpointId);
    const failure = await whileLocked(world, lockEndpoint, [endpointId], async (release) => {
      const success = firsts.map((claimed) => outcomeOf(claimed, received));
      expect(await deliveries.finish(success)).toEqual({ written: new Set([id]), locked: new Set(), changes: [] });
      const next = (await deliveries.next([{ id, mayGoOn: true }])).get(id) ?? lost();
      const outcome = failureOf(next);
      expect(await deliveries.finish([outcome])).toEqual({
        written: new Set(),
        locked: new Set([next.id]),
        changes: [],
      });
      expect(await shown({ endpointId })).toEqual(['DELIVERED 1', 'PENDING 0']);
      expect(await storedEndpoint(world, endpointId)).toEqual(before);
      await release();
      return outcome;
    });
    expect(await deliveries.finish([failure])).toEqual({
      ...{ written: new Set([failure.id]), locked: new Set() },
      changes: [{ id: endpointId, url: before.url, health: 'FAILING', reason: null, error: failure.lastError }],
    });
    expect(await shown({ endpointId })).toEqual(['DELIVERED 1', `PENDING ${attempts}`]);
    const after = await storedEndpoint(world, endpointId);
    expect(after).toEqual({ ...before, last_failure_at: expect.any(Date), failing_since: after.last_failure_at });
  },
);

test('a stop gives up an outcome whose endpoint stays locked, and reports it', async () => {
  const { firsts, write, errors, stopping } = await openClaimed(1);
  const [claimed = lost()] = firsts;
  stopping.abort();
  await whileLocked(world, lockEndpoint, [claimed.endpointId], async () => {
    expect(await write({ outcome: outcomeOf(claimed, received), mayGoOn: () => true })).toBe(undefined);
  });
  expect(errors.splice(0)).toMatchObject([{ message: expect.stringContaining(claimed.endpointId) }]);
  expect(await shown(claimed)).toEqual(['PENDING 0', 'PENDING 0']);
});
