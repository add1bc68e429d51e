import { expect, onTestFinished, test } from 'vitest';
import { type Claimed, deliveryRepository } from '../../src/webhooks/delivery.repository.ts';
import { storedDeliveries, storeEndpoint } from '../support/sending.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Stores an endpoint, and for each of `agents` agents a delivery that has been due for so many minutes. */
async function storeDue(isFailing: boolean, agents: number, minutes: number): Promise<string> {
  const { id: companyId } = await world.company();
  const { id } = await storeEndpoint(world, companyId, 'https://receiver.example/');
  await world.sql.query(
    `UPDATE webhook_endpoint SET last_success_at = now() - interval '3 hours', last_failure_at = now() - interval '2 hours',
            failing_since = CASE WHEN $2 THEN now() - interval '2 hours' END
      WHERE id = $1`,
    [id, isFailing],
  );
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body, next_attempt_at)
     SELECT $1, 'msg_' || gen_random_uuid(), 'agent.updated', gen_random_uuid(), $2, 2, '{}',
            now() - $4::int * interval '1 minute'
       FROM generate_series(1, $3::int)`,
    [id, companyId, agents, minutes],
  );
  return id;
}

/** The outcome of an attempt that the receiver answered with 500 or 204. */
const outcomeOf = ({ id, endpointId, url, endpointChangedAt, lease }: Claimed, isFailing: boolean) => ({
  ...{ id, endpointId, url, endpointChangedAt, lease, lastAnswer: null },
  ...{ isAttempt: true, isUnreadable: false, isGone: false },
  ...(isFailing
    ? { status: 'PENDING' as const, wait: 3_600_000, lastStatus: 500, lastError: 'it answered 500' }
    : { status: 'DELIVERED' as const, wait: 0, lastStatus: 204, lastError: null }),
});

test.each([
  { which: 'failing', isFailing: true },
  { which: 'healthy', isFailing: false },
])(
  'a $which endpoint gets the only free slot after one attempt at each other one, however much has been due there for longer',
  async ({ isFailing }) => {
    const endpoints = [
      await storeDue(isFailing, 10, 60),
      await storeDue(isFailing, 10, 50),
      await storeDue(isFailing, 1, 0),
    ];
    const database = openLimited(world.limits, world.databaseUrl, 1);
    onTestFinished(() => database.close());
    const { claim, finish } = deliveryRepository(database);
    const free = { healthy: isFailing ? 0 : 1, failing: isFailing ? 1 : 0, perHealthy: 16, perFailing: 2 };
    const tried: string[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const { claimed } = await claim({ ...free, running: new Map() });
      expect(await finish(claimed.map((each) => outcomeOf(each, isFailing)))).toMatchObject({ locked: new Set() });
      tried.push(...claimed.map(({ endpointId }) => endpointId));
    }
    expect(tried).toEqual(endpoints);
    const attempts = await Promise.all(endpoints.map((id) => storedDeliveries(world, id)));
    expect(attempts.map((rows) => rows.reduce((sum, row) => sum + row.attempts, 0))).toEqual([1, 1, 1]);
  },
);
