import { expect, test } from 'vitest';
import { applicationName } from '../../../src/database/state.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { send } from '../../support/http.ts';
import { untilWaiting, whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('two servers that get the same idempotency keys in opposite orders, for different agents, do not deadlock', async () => {
  // A deadlock must be detected before a wait for a lock ends.
  const { rows: names } = await world.sql.query('SELECT current_database() AS name');
  await world.sql.query(`ALTER DATABASE ${names[0].name} SET deadlock_timeout = '5ms'`);
  // Makes each insertion slow enough to overlap with those of the other server.
  await world.sql.query(`
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';
    CREATE TRIGGER linger BEFORE INSERT ON idempotency_key FOR EACH ROW EXECUTE FUNCTION linger()`);
  const servers = [await openAnotherServer(world), await openAnotherServer(world)];
  const { companyId, key: apiKey } = await newSubject(world);
  const newAgents = () => Promise.all(Array.from({ length: 31 }, async () => (await world.agent(companyId)).id));
  const sides = await Promise.all(servers.map(newAgents));
  const patch = (at: number, id: string, duration: number, key?: string) =>
    send(servers[at]?.origin ?? '', {
      path: `/agents/${id}`,
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        ...(key && { 'idempotency-key': key }),
      },
      body: JSON.stringify({ duration }),
    });

  for (let round = 1; round <= 3; round += 1) {
    const answers = await whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
      // Each server has a batch that waits, so these requests form its next batch, on both servers at the same moment.
      const first = sides.map(([id = ''], at) => patch(at, id, round));
      await untilWaiting(world, servers.length);
      const sent = sides.flatMap(([, ...ids], at) => {
        const keyed = ids.map((id, place) => ({ id, key: `${round}-${place}` }));
        return (at === 0 ? keyed : keyed.toReversed()).map(({ id, key }) => patch(at, id, round, key));
      });
      for (const { origin } of servers) {
        await send(origin, { method: 'GET', path: '/agents?limit=1', headers: { authorization: `Bearer ${apiKey}` } });
      }
      await release();
      await Promise.all(first);
      return await Promise.all(sent);
    });
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([...Array(30).fill(200), ...Array(30).fill(422)]);
  }
  // Sessions report what they counted at their end at the latest. This waits for the end of each.
  await world.sql.query(
    `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = $1`,
    [applicationName],
  );
  const { rows } = await world.sql.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
});
