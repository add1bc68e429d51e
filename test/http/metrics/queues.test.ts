import { expect, test } from 'vitest';
import { callsOf } from '../../support/calls.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { openMeasured } from '../../support/measured.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('changes alone are counted with their wait, and their queue is empty again when all of them were given up', async () => {
  const { companyId, key } = await newSubject(world);
  const agents = await Promise.all(Array.from({ length: 10 }, () => world.agent(companyId)));
  // Within their time limit, the changes can neither be made nor wait on.
  const { origin, read } = await openMeasured(world, 'production');
  const ids = agents.map(({ id }) => id);
  const lockAll = 'SELECT FROM agent WHERE id = ANY($1) FOR UPDATE';
  const statuses = await whileLocked(world, lockAll, [ids], async () => {
    const sent = ids.map((id) => callsOf(origin).patch(key, id, { duration: 45 }));
    await untilWaiting(world);
    return (await Promise.all(sent)).map(({ status }) => status);
  });
  expect(statuses).toEqual(ids.map(() => 503));
  expect(await read('interview_agents_queue_length{of="changes alone"}')).toBe(0);
  const batches = await read('interview_agents_batch_wait_seconds_count{of="changes alone"}');
  expect(batches).toBeGreaterThanOrEqual(10);
  // Half of the ten connections run changes alone: at first, half of the changes wait for the other half.
  expect(await read('interview_agents_batch_wait_seconds_sum{of="changes alone"}')).toBeGreaterThan(0);
});
