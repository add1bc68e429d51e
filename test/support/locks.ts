import { expect, vi } from 'vitest';
import type { Subject } from './patch-agent.ts';
import type { World } from './world.ts';

/** Ends the transaction of `whileLocked` before its task ends; by default what it did is rolled back. */
type Release = (how?: 'ROLLBACK' | 'COMMIT') => Promise<unknown>;

/** Runs a task while another transaction holds the lock that `sql` takes, such as `SELECT … FOR UPDATE`. */
export async function whileLocked<Result>(
  world: World,
  sql: string,
  parameters: readonly unknown[],
  task: (release: Release) => Promise<Result>,
): Promise<Result> {
  const holder = await world.sql.connect();
  try {
    await holder.query('BEGIN');
    await holder.query(sql, [...parameters]);
    return await task((how = 'ROLLBACK') => holder.query(how));
  } finally {
    // Closing the connection releases the lock, whatever the task did.
    holder.release(true);
  }
}

/** Runs a task while another transaction holds the row lock of an agent. */
export function whileAgentLocked<Result>(
  world: World,
  id: string,
  task: (release: Release) => Promise<Result>,
): Promise<Result> {
  return whileLocked(world, 'SELECT FROM agent WHERE id = $1 FOR UPDATE', [id], task);
}

/** Locks the history so that one change waits, and changes that are sent meanwhile form the next batch. */
export function inOneBatch<Sent>(world: World, agent: Subject, sendAll: () => Promise<Sent>): Promise<Sent> {
  return whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
    const before = world.patch(agent.key, agent.id, { duration: 99 });
    await untilWaiting(world);
    const sent = sendAll();
    // Once this is answered, the keys of all requests before it have been looked up.
    await world.call(agent.key, `GET /agents/${agent.id}`);
    await release();
    expect(await before).toMatchObject({ status: 200, headers: { etag: '"2"' } });
    return await sent;
  });
}

/** Resolves when at least `atLeast` statements of servers wait for a lock. */
export async function untilWaiting(world: World, atLeast = 1): Promise<void> {
  await vi.waitUntil(async () => (await countWaiting(world)) >= atLeast, { timeout: 60_000, interval: 10 });
}

/** Resolves when no statement of a server waits for a lock, including those of requests that were answered already. */
export async function untilNoneWaiting(world: World): Promise<void> {
  await vi.waitUntil(async () => (await countWaiting(world)) === 0, { timeout: 60_000, interval: 10 });
}

/** The number of statements of servers that wait for a lock. */
export async function countWaiting(world: World): Promise<number> {
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return (await world.sql.query(sql)).rowCount ?? 0;
}
