import { randomUUID } from 'node:crypto';
import { expect, inject, test, vi } from 'vitest';
import { changeSql } from '../../src/agents/write/statements.ts';
import { hashKey } from '../../src/auth/api-key.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { connect, run } from '../support/connection.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const renewed = randomUUID().repeat(2);
const world = await openWorld({ previousSecret: renewed });
const role = inject('serverRole');

const asServer = (sql: string) => run(world.databaseUrl, sql);

async function keyRow(keyId: string) {
  const { rows } = await world.sql.query('SELECT * FROM api_key WHERE id = $1', [keyId]);
  return rows[0];
}

async function trailOf(keyId: string) {
  const { rows } = await world.sql.query(
    `SELECT to_jsonb(e) - '{id,created_at,details}'::text[] AS entry, details FROM audit_entry e
      WHERE key_id = $1 AND action <> 'key.created'`,
    [keyId],
  );
  return rows;
}

/** The audit entry of a key's new hash. */
const rehashed = ({ id, keyId }: { id: string; keyId: string }) => ({
  entry: {
    action: 'key.rehashed',
    operator: null,
    acting_key_id: keyId,
    request_id: null,
    caller_address: null,
    company_id: id,
    integration_id: null,
    key_id: keyId,
    phone_number_id: null,
    agent_id: null,
  },
  details: {},
});

test.for([
  ['now', '0'],
  ['an hour ahead of the clock', '1 hour'],
])('32 changes of one agent in one batch are written if its last change is %s', async ([, ahead]) => {
  const { id, keyId, companyId } = await newSubject(world);
  await world.sql.query('UPDATE agent SET updated_at = updated_at + $2::interval WHERE id = $1', [id, ahead]);
  const before = await storedAgent(world, id);
  const content = { ...before.history[0]?.snapshot, duration: 31 };
  const step = {
    id,
    company: companyId,
    read: 1,
    updated: before.row.updated_at,
    steps: 32,
    content,
    changed: ['duration'],
    touched: [],
    key: keyId,
  };
  const steps = Array.from({ length: 32 }, (_, at) => ({ ...step, step: at + 1 }));
  const server = await connect(world.databaseUrl);
  await server.query(changeSql, [[id], JSON.stringify(steps), null]);
  await server.end();
  const { row, history } = await storedAgent(world, id);
  expect(row).toMatchObject({ version: 33, duration: 31 });
  const end = new Date(String(row.updated_at)).getTime();
  expect(end - new Date(String(before.row.updated_at)).getTime()).toBeGreaterThanOrEqual(32);
  expect(history.slice(1).map(({ version, createdAt }) => [version, end - createdAt.getTime()])).toEqual(
    steps.map(({ step }) => [step + 1, 32 - step]),
  );
});

test('each time the server hashes a key with its new secret it writes an audit entry, without the hash', async () => {
  const company = await world.company();
  const { origin } = await openAnotherServer(world, { secret: renewed, previousSecret: world.secret });
  const headers = { authorization: `Bearer ${company.key}` };
  expect((await send(origin, { method: 'GET', path: '/agents', headers })).status).toBe(200);
  const hash = hashKey(company.key, renewed);
  await vi.waitUntil(async () => (await keyRow(company.keyId)).hash === hash, { timeout: 60_000, interval: 10 });
  expect(await trailOf(company.keyId)).toEqual([rehashed(company)]);
  const other = hashKey('another key', renewed);
  await asServer(`UPDATE api_key SET last_used_at = now(), hash = '${other}' WHERE id = '${company.keyId}'`);
  expect(await trailOf(company.keyId)).toEqual([rehashed(company), rehashed(company)]);
});

test('a use that changes no hash, and a change of the hash by the owner, write no audit entry', async () => {
  const { keyId } = await world.company();
  await asServer(`UPDATE api_key SET last_used_at = now(), hash = hash WHERE id = '${keyId}'`);
  await world.sql.query('UPDATE api_key SET hash = $2 WHERE id = $1', [keyId, hashKey(randomUUID(), renewed)]);
  expect(await trailOf(keyId)).toEqual([]);
});

test('a key that ended after its last request is still hashed with the new secret', async () => {
  const company = await world.company();
  await world.sql.query(`UPDATE api_key SET revoked_at = now() - interval '10 seconds' WHERE id = $1`, [company.keyId]);
  const hash = hashKey(company.key, renewed);
  await asServer(`UPDATE api_key SET last_used_at = now(), hash = '${hash}' WHERE id = '${company.keyId}'`);
  expect(await keyRow(company.keyId)).toMatchObject({ hash });
});

/** Attaches a trigger function of the schema to a temporary table, and runs it. */
const onOwnTable = (name: string) => `
  CREATE TEMP TABLE mine AS SELECT gen_random_uuid() AS id, gen_random_uuid() AS company_id, NULL::uuid AS integration_id;
  CREATE TRIGGER mine AFTER UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION public.${name}();
  UPDATE mine SET id = id`;

test.for(['record_key_rehash', 'check_agent_deletion'])(
  'the server’s role cannot use %s, which runs as the owner, on a table of its own',
  async (name) => {
    await expect(asServer(onOwnTable(name))).rejects.toThrow(`permission denied for function public.${name}`);
  },
);

test('the server’s role cannot write audit entries of keys even if a restored dump grants the function to PUBLIC', async () => {
  const granted = 'BEGIN; GRANT EXECUTE ON FUNCTION record_key_rehash() TO PUBLIC';
  const sql = `${granted}; SET LOCAL ROLE ${role}; ${onOwnTable('record_key_rehash')}; ROLLBACK`;
  await expect(run(world.ownerUrl, sql)).rejects.toThrow('this function is for the table api_key');
});

test('temporary tables and a search path of its own do not bypass any refusal', async () => {
  const agent = await newSubject(world);
  const before = await storedAgent(world, agent.id);
  const unknown = randomUUID();
  const forged = `
    CREATE TEMP TABLE api_key AS SELECT '${unknown}'::uuid AS id, NULL::uuid AS company_id;
    CREATE TEMP TABLE agent AS SELECT id, company_id, 2 AS version, now()::timestamptz(3) AS updated_at FROM public.agent;
    CREATE TEMP TABLE pg_class AS SELECT oid, '${role}'::regrole::oid AS relowner FROM pg_catalog.pg_class;
    SET search_path = pg_temp, public, pg_catalog;`;
  const writes = [
    `INSERT INTO public.agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id)
     VALUES ('${agent.id}', 2, now(), '{}', '{}', '${unknown}')`,
    "INSERT INTO public.audit_entry (action, operator) VALUES ('key.revoked', 'root')",
  ];
  for (const write of writes) await expect(asServer(forged + write)).rejects.toMatchObject({ code: '42501' });
  expect(await storedAgent(world, agent.id)).toEqual(before);
});

test('owners without superuser rights and their members are not restricted; a role that is no longer a member is', async () => {
  const [owner, member] = [`owner_${role}`, `member_${role}`];
  const write = "INSERT INTO audit_entry (action, operator) VALUES ('key.revoked', 'root')";
  const made = `
    BEGIN;
    CREATE ROLE ${owner}; CREATE ROLE ${member} IN ROLE ${owner};
    ALTER TABLE audit_entry OWNER TO ${owner}; GRANT INSERT ON audit_entry TO ${member};
    SET LOCAL ROLE ${owner}; ${write};
    SET LOCAL ROLE ${member}; ${write};`;
  await run(world.ownerUrl, `${made} ROLLBACK`);
  const ended = `${made} RESET ROLE; REVOKE ${owner} FROM ${member}; SET LOCAL ROLE ${member}; ${write}`;
  await expect(run(world.ownerUrl, ended)).rejects.toMatchObject({ code: '42501' });
});

test('for the history too, owners and their members are not restricted; a role with every privilege on the table is', async () => {
  const { id } = await newSubject(world);
  const [owner, member, other] = [`history_owner_${role}`, `history_member_${role}`, `history_other_${role}`];
  const write = `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
                 VALUES ('${id}', 99, now(), '{}', '{}')`;
  const made = `
    BEGIN;
    CREATE ROLE ${owner}; CREATE ROLE ${member} IN ROLE ${owner}; CREATE ROLE ${other};
    ALTER TABLE agent_version OWNER TO ${owner};
    GRANT ALL ON agent_version, agent, api_key TO ${other}, ${member};`;
  await run(world.ownerUrl, `${made} SET LOCAL ROLE ${owner}; ${write}; ROLLBACK`);
  await run(world.ownerUrl, `${made} SET LOCAL ROLE ${member}; ${write}; ROLLBACK`);
  const bound = run(world.ownerUrl, `${made} SET LOCAL ROLE ${other}; ${write}`);
  await expect(bound).rejects.toMatchObject({ code: '42501' });
});
