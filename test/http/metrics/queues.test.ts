import { expect, test, vi } from 'vitest';
import { callsOf } from '../../support/calls.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { openMeasured } from '../../support/measured.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/**
 * Sends a change for each id while the agents are locked until all are 503.
 * @returns a reader of the metrics of changes alone, and how many waited at most
 */
async function measureGivenUp(key: string, ids: readonly string[]) {
  const { origin, read } = await openMeasured(world, 'production');
  const measured = (name: string) => read(`interview_agents_${name}{of="changes alone"}`);
  let longestQueue = 0;
  const lockAll = 'SELECT FROM agent WHERE id = ANY($1) FOR UPDATE';
  const statuses = await whileLocked(world, lockAll, [ids], async () => {
    const sent = ids.map((id) => callsOf(origin).patch(key, id, { duration: 45 }));
    await untilWaiting(world);
    let isOver = false;
    const answers = Promise.all(sent).finally(() => {
      isOver = true;
    });
    const look = async () => {
      longestQueue = Math.max(longestQueue, await measured('queue_length'));
      return isOver;
    };
    await vi.waitUntil(look, { timeout: 60_000, interval: 10 });
    return (await answers).map(({ status }) => status);
  });
  expect(statuses).toEqual(ids.map(() => 503));
  return { measured, longestQueue };
}

test('changes alone are measured with their wait, and none waits when those of several agents were given up', async () => {
  const { companyId, key } = await newSubject(world);
  const agents = await Promise.all(Array.from({ length: 10 }, () => world.agent(companyId)));
  const ids = agents.map(({ id }) => id);
  const { measured, longestQueue } = await measureGivenUp(key, ids);
  expect(longestQueue).toBeGreaterThan(0);
  expect(await measured('queue_length')).toBe(0);
  expect(await measured('batch_wait_seconds_count')).toBeGreaterThanOrEqual(10);
  // Half of the ten connections run changes alone: at first, half of the changes wait for the other half.
  expect(await measured('batch_wait_seconds_sum')).toBeGreaterThan(0);
});

test('no change alone waits when those of one agent, of which a transaction takes 32, were given up', async () => {
  const { id, key } = await newSubject(world);
  const { measured, longestQueue } = await measureGivenUp(key, Array(40).fill(id));
  expect(longestQueue).toBeGreaterThan(0);
  expect(await measured('batch_size_sum')).toBeGreaterThan(32);
  expect(await measured('queue_length')).toBe(0);
});
