import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storeEndpoint } from '../support/sending.ts';
import { openWorld, type World } from '../support/world.ts';

// Two databases, because deliveries of one round slow down the next: so each form is measured on a new one.
const [without, beside] = [await openWorld(), await openWorld()];
const rounds = inject('isShort') ? 3 : 9;
const agents = 20;

/** A sender, and endpoints of which 90 answer. */
async function openEndpoints(world: World) {
  const answering = await openReceiver();
  const { id: companyId } = await world.company();

  /** Stores `count` endpoints. */
  const store = async (count: number, url: string) =>
    (await Promise.all(Array.from({ length: count }, () => storeEndpoint(world, companyId, url)))).map(({ id }) => id);

  /** Stores one delivery for each of `count` agents of each endpoint, with the endpoints interleaved. */
  const storeFor = (endpoints: readonly string[], agents: number) =>
    world.sql.query(
      `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
       SELECT e.id, 'msg_' || gen_random_uuid(), 'agent.updated', gen_random_uuid(), e.company_id, 2, '{}'
         FROM generate_series(1, $2::int), webhook_endpoint e WHERE e.id = ANY($1::uuid[])`,
      [endpoints, agents],
    );

  const living = await store(90, answering.url);
  // With the limit of production for an attempt, so that dead endpoints become known as dead.
  const { wake } = openSender({ ...world, limits: 'production' });
  let dead: readonly string[] = [];
  return {
    /** Ten dead endpoints; once all of them are known as dead, new ones replace them. */
    async storeDead(url: string): Promise<void> {
      const unknown = 'SELECT FROM webhook_endpoint WHERE id = ANY($1::uuid[]) AND failing_since IS NULL';
      if ((await world.sql.query(unknown, [dead])).rows.length > 0) return;
      await world.sql.query('DELETE FROM webhook_endpoint WHERE id = ANY($1::uuid[])', [dead]);
      dead = await store(10, url);
      await storeFor(dead, 200);
    },

    /** Milliseconds until the healthy endpoints have all of their deliveries. */
    async timeOfLiving(): Promise<number> {
      const enough = answering.received.length + living.length * agents;
      const start = performance.now();
      await storeFor(living, agents);
      // Wakes the sender as the request of a change does; otherwise it would wait up to a second for the next poll.
      wake();
      while (answering.received.length < enough) await delay(5);
      return performance.now() - start;
    },
  };
}

test('90 of 100 endpoints are served as fast beside 10 dead ones with a long queue each as without them', async () => {
  const silent = await openReceiver(() => {});
  const [alone, crowded] = [await openEndpoints(without), await openEndpoints(beside)];
  for (const { timeOfLiving } of [alone, crowded]) await timeOfLiving();
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const expected = await alone.timeOfLiving();
    await crowded.storeDead(silent.url);
    const time = await crowded.timeOfLiving();
    ratios.push(time / expected);
    console.log({ expected, time });
  }
  const median = ratios.toSorted((a, b) => a - b)[(rounds - 1) / 2];
  console.log({ median });
  expect(silent.received.length).toBeGreaterThan(0);
  // A wait for a dead endpoint would take seconds.
  expect(median).toBeLessThan(2);
});
