import { expect, test, vi } from 'vitest';
import { untilWaiting, whileLocked } from '../support/locks.ts';
import { operatorOf } from '../support/operator.ts';
import { target } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const isSleeping = async () => {
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
  return (await world.sql.query(sql)).rowCount === 1;
};

test.for([
  ['its agent', (agentId: string) => [`/agents/${agentId}`, { duration: 33 }] as const],
  [
    'its webhook endpoint',
    (_: string, webhookId: string) => [`/webhooks/${webhookId}`, { description: 'late' }] as const,
  ],
] as const)(
  'a change that is committed while %s is erased leaves no version, no delivery and no kept answer behind',
  async ([, patchOf]) => {
    const { id, keyId } = await world.company();
    const agent = await world.agent(id);
    const ats = await world.ats(id);
    const query = `?companyId=${id}`;
    const webhook = await world.call(ats.key, `POST /webhooks${query}`, { body: target });
    expect(webhook).toMatchObject({ status: 201 });
    const [path, body] = patchOf(agent.id, Object(webhook.body).id);
    await world.keys.revoke(keyId);
    // Its commit takes long, and keeps its locks meanwhile. It waits for no lock: it would wait less for one.
    await world.sql.query(`
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN
        WHILE EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN NULL;
      END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON idempotency_key DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION wait()`);
    await whileLocked(world, 'SELECT pg_advisory_xact_lock(4711)', [], async (release) => {
      const headers = { 'idempotency-key': 'late' };
      const changed = world.call(ats.key, `PATCH ${path}${query}`, { body, headers });
      await vi.waitUntil(isSleeping, { timeout: 60_000, interval: 5 });
      const erased = operatorOf(world)(['company', 'erase', '--company', id, '--confirm', 'Test company']);
      await untilWaiting(world);
      await release();
      expect(await changed).toMatchObject({ status: 200, body });
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
  },
);
