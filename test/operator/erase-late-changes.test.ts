import { expect, test } from 'vitest';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { operatorOf } from '../support/operator.ts';
import { target } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

test('a change that is committed while its agent is erased leaves no version, no delivery and no kept answer behind', async () => {
  const { id, keyId } = await world.company();
  const agent = await world.agent(id);
  const ats = await world.ats(id);
  const query = `?companyId=${id}`;
  expect(await world.call(ats.key, `POST /webhooks${query}`, { body: target })).toMatchObject({ status: 201 });
  await world.keys.revoke(keyId);
  // The transaction of the change, with its locks, stays open when all is written.
  await world.sql.query(`
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
    CREATE TRIGGER late AFTER INSERT ON idempotency_key FOR EACH ROW EXECUTE FUNCTION wait()`);
  await whileLocked(world, 'SELECT pg_advisory_xact_lock(1)', [], async (release) => {
    const headers = { 'idempotency-key': 'late' };
    const changed = world.call(ats.key, `PATCH /agents/${agent.id}${query}`, { body: { duration: 33 }, headers });
    await untilWaiting(world);
    const erased = operatorOf(world)(['company', 'erase', '--company', id, '--confirm', 'Test company']);
    await untilWaiting(world, 2);
    await release();
    expect(await changed).toMatchObject({ status: 200, body: { duration: 33 } });
    expect(await erased).toMatchObject({ code: 0, stderr: '' });
  });
  await world.sql.query('DROP FUNCTION wait CASCADE');
  const { rows } = await world.sql.query(
    `SELECT (SELECT count(*)::int FROM agent WHERE company_id = $1) AS agents,
            (SELECT count(*)::int FROM agent_version WHERE agent_id = $2) AS versions,
            (SELECT count(*)::int FROM webhook_delivery WHERE agent_id = $2) AS deliveries,
            (SELECT count(*)::int FROM idempotency_key WHERE api_key_id = $3) AS "keptAnswers"`,
    [id, agent.id, ats.keyId],
  );
  expect(rows).toEqual([{ agents: 0, versions: 0, deliveries: 0, keptAnswers: 0 }]);
});
