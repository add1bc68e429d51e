import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { operatorOf } from '../support/operator.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const operator = userInfo().username;

const purge = (id: string) => operatorOf(world)(['agent', 'purge', '--id', id]);

/** A deleted agent with 10,003 versions, 5,001 kept answers and 5,002 deliveries, of which each kind has a row of another agent. */
async function grownAgent() {
  const { id: companyId, keyId } = await world.company();
  const [{ id }, other] = [await world.agent(companyId), await world.agent(companyId)];
  const endpoint = await storeEndpoint(world, companyId, 'https://hooks.example.com/agents');
  await world.sql.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT agent_id, n, created_at, snapshot, '{duration}'
       FROM agent_version, generate_series(2, 10003) n WHERE agent_id = $1`,
    [id],
  );
  await world.sql.query(
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
     SELECT $1, 'key ' || n, '', CASE WHEN n = 0 THEN $3 ELSE $2 END::uuid, '{"name": "Kept"}', '{name}', now()
       FROM generate_series(0, 5001) n`,
    [keyId, id, other.id],
  );
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, body, agent_id, company_id, version)
     SELECT $1, 'msg_' || n, 'agent.updated', '{}', CASE WHEN n = 0 THEN $3 ELSE $2 END::uuid, $4, 2
       FROM generate_series(0, 5002) n`,
    [endpoint.id, id, other.id, companyId],
  );
  await world.deleteAgent(id);
  return { id, companyId, other: other.id };
}

/** What is stored about an agent, and the audit entries of its purge. */
async function stored(id: string) {
  const { rows } = await world.sql.query(
    `SELECT (SELECT count(*)::int FROM agent WHERE id = $1) AS agents,
            (SELECT count(*)::int FROM agent_version WHERE agent_id = $1) AS versions,
            (SELECT count(*)::int FROM webhook_delivery WHERE agent_id = $1) AS deliveries,
            (SELECT count(*)::int FROM idempotency_key WHERE agent_id = $1) AS "keptAnswers",
            (SELECT count(agent)::int FROM idempotency_key WHERE agent_id = $1) AS contents`,
    [id],
  );
  const { rows: entries } = await world.sql.query(
    `SELECT action, operator, company_id AS "companyId", details FROM audit_entry
      WHERE agent_id = $1 AND action LIKE 'agent.purg%' ORDER BY created_at`,
    [id],
  );
  return { ...rows[0], entries };
}

const purged = { agents: 0, versions: 0, deliveries: 0, keptAnswers: 5_001, contents: 0 };

test('purge erases an agent in transactions of at most 5,000 rows of each kind, with their counts in the audit trail, and nothing of another', async () => {
  const { id, companyId, other } = await grownAgent();
  const before = await stored(other);
  const { stdout, ...rest } = await purge(id);
  expect(rest).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ id, versions: 10_003 });
  const purging = { action: 'agent.purging', operator, companyId };
  expect(await stored(id)).toEqual({
    ...purged,
    entries: [
      { ...purging, details: { versions: 5_000, deliveries: 5_000, keptAnswers: 5_000 } },
      { ...purging, details: { versions: 5_000, deliveries: 2, keptAnswers: 1 } },
      { action: 'agent.purged', operator, companyId, details: {} },
    ],
  });
  expect(await stored(other)).toEqual(before);
  expect(before).toMatchObject({ agents: 1, versions: 1, deliveries: 1, keptAnswers: 1, contents: 1 });
});

test('a purge that was interrupted is continued by the next one, and the agent stays deleted meanwhile', async () => {
  const { id } = await grownAgent();
  await world.sql.query(`
    CREATE FUNCTION fail_at_second() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM audit_entry WHERE action = NEW.action AND agent_id = NEW.agent_id)
      THEN RAISE EXCEPTION 'interrupted'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER fail_at_second BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION fail_at_second()`);
  try {
    expect(await purge(id)).toMatchObject({ code: 1, stdout: '' });
  } finally {
    await world.sql.query('DROP TRIGGER fail_at_second ON audit_entry; DROP FUNCTION fail_at_second()');
  }
  expect(await stored(id)).toMatchObject({ agents: 1, versions: 5_003, deliveries: 2, contents: 1 });
  expect(await world.row(id)).toContain('"deleted_at": "');
  const { stdout, ...rest } = await purge(id);
  expect(rest).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ id, versions: 5_003 });
  expect(await stored(id)).toMatchObject(purged);
});
