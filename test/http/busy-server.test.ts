import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { expectAgent, newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { lockLimit, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ limits: 'production' });

/** Milliseconds: longer than a statement may take without an answer, and shorter than a request. */
const stall = 2_500;

/** Keeps this process, with the server in it, from reading until an agent has a name, and for the length of a stall. */
function blockUntilStored(id: string, name: string): void {
  const begin = performance.now();
  const script = `
    import pg from 'pg';
    const [url, ...values] = process.argv.slice(1);
    const client = new pg.Client(url);
    await client.connect();
    while ((await client.query('SELECT FROM agent WHERE id = $1 AND name = $2', values)).rowCount === 0);
    await client.end();`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script, world.ownerUrl, id, name], { timeout: 60_000 });
  while (performance.now() - begin < stall);
}

/** The sessions of the server that wait for a lock. */
async function waitingSessions(): Promise<unknown[]> {
  const sql = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return (await world.sql.query(sql)).rows;
}

test('a committed change is answered 200 though the server was too busy to read that in time, and its connection is used further', () =>
  unlessTooSlow(async (attempt) => {
    const { key, id } = await newSubject(world);
    await world.call(key, `GET /agents/${id}`);
    await whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
      const changed = attempt.timed(world.patch(key, id, { name: 'Stored' }), 4_500);
      await attempt.timed(untilWaiting(world), lockLimit);
      const sessions = await waitingSessions();
      const released = release();
      blockUntilStored(id, 'Stored');
      const answer = await changed;
      const { row } = await storedAgent(world, id);
      expect(row).toMatchObject({ name: 'Stored', version: 2 });
      expectAgent(answer, row);
      await released;

      await world.call(key, `GET /agents/${id}`);
      const pids = (await world.sql.query('SELECT pid FROM pg_stat_activity WHERE datname = current_database()')).rows;
      expect(sessions).toHaveLength(1);
      expect(pids).toEqual(expect.arrayContaining(sessions));
    });
  }));
