import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { operatorOf, printedBy } from '../support/operator.ts';
import { target } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const printed = printedBy(world);
const operator = userInfo().username;

/**
 * A company with two agents, one of them deleted, an integration that acts for it, and kept answers: one to the company's key,
 * and three to the integration's, about an agent, an endpoint, and an endpoint that was deleted.
 */
async function newCompanyWithData(name: string) {
  const { id, key, keyId } = await world.company();
  await printed('company', 'rename', '--company', id, '--name', name);
  const numberId = await world.phoneNumber(id);
  const agent = await world.agent(id, { type: 'PHONE', companyPhoneNumberId: numberId });
  const deleted = await world.agent(id);
  const ats = await world.ats(id);
  const query = `?companyId=${id}`;
  await world.patch(key, agent.id, { duration: 31 }, { headers: { 'idempotency-key': `of-${keyId}` } });
  await world.patch(ats.key, agent.id, { duration: 32 }, { query, headers: { 'idempotency-key': `of-${ats.keyId}` } });
  const newEndpoint = (key: string) =>
    world.call(ats.key, `POST /webhooks${query}`, { body: target, headers: { 'idempotency-key': key } });
  await newEndpoint(`webhook-${ats.keyId}`);
  const { body: gone } = await newEndpoint(`gone-${ats.keyId}`);
  expect(await world.call(ats.key, `DELETE /webhooks/${Object(gone).id}${query}`)).toMatchObject({ status: 204 });
  await world.deleteAgent(deleted.id);
  return { id, name, key, keyId, ats, agents: [agent.id, deleted.id] };
}

type CompanyWithData = Awaited<ReturnType<typeof newCompanyWithData>>;

/** The number of rows of a company in each table. */
async function left({ id, keyId, ats, agents }: CompanyWithData) {
  const { rows } = await world.sql.query(
    `SELECT (SELECT count(*)::int FROM company WHERE id = $1) AS companies,
            (SELECT count(*)::int FROM agent WHERE company_id = $1) AS agents,
            (SELECT count(*)::int FROM agent_version WHERE agent_id = ANY($2)) AS versions,
            (SELECT count(*)::int FROM company_phone_number WHERE company_id = $1) AS "phoneNumbers",
            (SELECT count(*)::int FROM api_key WHERE company_id = $1) AS keys,
            (SELECT count(*)::int FROM integration_company WHERE company_id = $1) AS grants,
            (SELECT count(*)::int FROM idempotency_key WHERE api_key_id = ANY($3)) AS "keptAnswers"`,
    [id, agents, [keyId, ats.keyId]],
  );
  return rows[0];
}

const whole = { companies: 1, agents: 2, versions: 4, phoneNumbers: 1, keys: 1, grants: 1, keptAnswers: 4 };
const nothing = { companies: 0, agents: 0, versions: 0, phoneNumbers: 0, keys: 0, grants: 0, keptAnswers: 0 };

/** The audit trail of a company, oldest first. */
async function trailOf({ id }: CompanyWithData) {
  const { rows } = await world.sql.query(
    'SELECT id, action, operator, details FROM audit_entry WHERE company_id = $1 ORDER BY created_at, id',
    [id],
  );
  return rows;
}

const erase = (company: CompanyWithData, confirm = company.name) =>
  operatorOf(world)(['company', 'erase', '--company', company.id, '--confirm', confirm]);

test.concurrent('an erasure deletes all data of the company and none of another, and the audit trail stays and has the counts', async () => {
  const [company, other] = [await newCompanyWithData('Erased'), await newCompanyWithData('Other')];
  await world.keys.revoke(company.keyId);
  const before = await trailOf(company);
  const { code, stdout, stderr } = await erase(company);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { companies, ...counts } = whole;
  const erased = { ...counts, deliveries: 0, webhooks: 1 };
  expect(JSON.parse(stdout)).toEqual({ id: company.id, name: 'Erased', erased });
  expect(await left(company)).toEqual(nothing);
  expect(await left(other)).toEqual(whole);
  const trail = await trailOf(company);
  expect(trail.slice(0, before.length)).toEqual(before);
  const added = trail.slice(before.length);
  expect(added.at(-1)).toEqual({ id: expect.any(String), action: 'company.erased', operator, details: erased });
  const sums: Record<string, number> = {};
  for (const { action, details } of added.slice(0, -1)) {
    expect(action).toBe('company.erasing');
    for (const [name, count] of Object.entries<number>(details)) sums[name] = (sums[name] ?? 0) + count;
  }
  expect(sums).toEqual(erased);

  const query = `?companyId=${company.id}`;
  const denied = { status: 403, body: { code: 'COMPANY_ACCESS_DENIED' } };
  expect(await world.patch(company.ats.key, company.agents[0] ?? '', {}, { query })).toMatchObject(denied);
  expect(await world.patch(other.key, other.agents[0] ?? '', {})).toMatchObject({ status: 200 });
  expect(await erase(company)).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: there is no company with the id ${company.id}\n`,
  });
});

test.concurrent('a company is not erased under a wrong name, or while one of its keys is active, even one that is created meanwhile', async () => {
  const company = await newCompanyWithData('Kept');
  const refused = (reason: string) => ({ code: 1, stdout: '', stderr: `error: ${reason}\n` });
  expect(await erase(company, 'kept')).toEqual(
    refused(
      'nothing was erased: --confirm is not the name of the company with this id, letter for letter (company list shows it)',
    ),
  );
  const active = (keyId: string) => refused(`the company has an active key, ${keyId}: revoke it first`);
  expect(await erase(company)).toEqual(active(company.keyId));
  expect(await left(company)).toEqual(whole);
  await world.keys.suspend(company.keyId);
  // Kept answers are erased after the grants. At that moment another key is created.
  await world.sql.query(`
    CREATE FUNCTION add_late_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO api_key (start, hash, company_id, scopes)
      SELECT start, 'late', company_id, scopes FROM api_key WHERE id = OLD.api_key_id;
      RETURN NULL;
    END $$;
    CREATE TRIGGER late AFTER DELETE ON idempotency_key
      FOR EACH ROW WHEN (OLD.api_key_id = '${company.keyId}') EXECUTE FUNCTION add_late_key()`);
  const refusal = await erase(company);
  const { rows } = await world.sql.query('SELECT id FROM api_key WHERE company_id = $1 AND suspended_at IS NULL', [
    company.id,
  ]);
  const made: string = rows[0]?.id;
  expect(refusal).toEqual(active(made));
  expect(await left(company)).toEqual({ ...whole, grants: 0, keptAnswers: 0, keys: 2 });
  await world.keys.revoke(made);
  expect(await erase(company)).toMatchObject({ code: 0, stderr: '' });
  expect(await left(company)).toEqual(nothing);
});

test.concurrent('an erasure also deletes what is added to the company while it runs', async () => {
  const company = await newCompanyWithData('Grown');
  await world.keys.revoke(company.keyId);
  // Keys are deleted last: at that moment an agent without history is added.
  await world.sql.query(`
    CREATE FUNCTION add_late_agent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO agent (company_id, name, type, focus, language, duration)
      VALUES (OLD.company_id, 'Late agent', 'ONLINE', 'GENERIC', 'EN', 30);
      RETURN NULL;
    END $$;
    CREATE TRIGGER late AFTER DELETE ON api_key
      FOR EACH ROW WHEN (OLD.company_id = '${company.id}') EXECUTE FUNCTION add_late_agent()`);
  const { code, stdout } = await erase(company);
  await world.sql.query('DROP TRIGGER late ON api_key');
  const { companies, ...counts } = whole;
  const erased = { ...counts, deliveries: 0, webhooks: 1 };
  expect({ code, erased: JSON.parse(stdout).erased }).toEqual({ code: 0, erased: { ...erased, agents: 3 } });
  expect(await left(company)).toEqual(nothing);
});

test.concurrent('pings are erased in several transactions, and counted', async () => {
  const company = await newCompanyWithData('Pinged');
  await world.keys.revoke(company.keyId);
  await world.sql.query(
    `INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, body, status, finished_at)
     SELECT w.id, 'evt_' || n, 'webhook.ping', '{}', 'DELIVERED', now()
       FROM webhook_endpoint w, generate_series(1, 5001) n WHERE w.company_id = $1`,
    [company.id],
  );
  const { code, stdout } = await erase(company);
  expect({ code, erased: JSON.parse(stdout).erased }).toMatchObject({
    code: 0,
    erased: { deliveries: 5_001, webhooks: 1 },
  });
  const counts = (await trailOf(company)).map(({ details }) => details.deliveries).filter((count) => count > 0);
  expect(counts).toEqual([5_000, 1, 5_001]);
});

// This one runs alone and last: the concurrent tests before and after another one would run apart.
test('the tables that have a company are those that an erasure deletes from, and the audit trail', async () => {
  const { rows } = await world.sql.query(
    `SELECT table_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND column_name = 'company_id' ORDER BY 1`,
  );
  const tables = 'agent api_key company_phone_number integration_company webhook_delivery webhook_endpoint audit_entry';
  expect(rows.map(({ name }) => name)).toEqual(tables.split(' ').toSorted());
});
