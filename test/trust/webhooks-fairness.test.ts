import { expect, inject, test } from 'vitest';
import { openReceiver } from '../support/receiver.ts';
import { openSender, storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const rounds = inject('isShort') ? 2 : 6;
const agents = 20;

/** Stores one delivery for each of so many agents of each endpoint, the endpoints in turn. */
const storeFor = (endpoints: readonly string[], agents: number) =>
  world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
     SELECT e.id, 'msg_' || gen_random_uuid(), 'agent.updated', gen_random_uuid(), e.company_id, 2, '{}'
       FROM generate_series(1, $2::int), webhook_endpoint e WHERE e.id = ANY($1::uuid[])`,
    [endpoints, agents],
  );

test('of 100 endpoints 10 are dead, with a long queue each: the other 90 are served as fast as without them', async () => {
  const answering = await openReceiver();
  const silent = await openReceiver(() => {});
  const { id: companyId } = await world.company();
  const store = async (count: number, url: string) => {
    const stored = Array.from({ length: count }, () => storeEndpoint(world, companyId, url));
    return (await Promise.all(stored)).map(({ id }) => id);
  };
  const living = await store(90, answering.url);
  const { wake } = openSender(world);

  /** Milliseconds until the living have what is stored for them. */
  async function timeOfLiving(): Promise<number> {
    const enough = answering.received.length + living.length * agents;
    const start = performance.now();
    await storeFor(living, agents);
    // As the request of a change does: otherwise up to a second passes until the next poll.
    wake();
    while (answering.received.length < enough) await new Promise(setImmediate);
    return performance.now() - start;
  }

  await timeOfLiving();
  const [without, beside]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    without.push(await timeOfLiving());
    // New ones, of which nobody knows yet that they are dead.
    await storeFor(await store(10, silent.url), 200);
    beside.push(await timeOfLiving());
  }
  // The slowest with dead ones, whose slots fill up round after round, against the fastest without.
  const ratio = Math.max(...beside) / Math.min(...without);
  console.log({ without, beside, ratio });
  expect(silent.received.length).toBeGreaterThan(0);
  // A dead one holds an attempt for 10 s: one that others wait for would show as several times.
  expect(ratio).toBeLessThan(4);
});
