import { expect, inject, test } from 'vitest';
import { fields } from '../../src/agents/fields.ts';
import { run } from '../support/connection.ts';
import { newSubject } from '../support/patch-agent.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const asServer = (sql: string) => run(world.databaseUrl, sql);
const asOwner = (sql: string) => run(world.ownerUrl, sql);

test('the tests’ server runs as a role that owns nothing and is a member of no role', async () => {
  const { key } = await world.company();
  expect((await world.call(key, 'GET /agents')).status).toBe(200);
  const { rows: sessions } = await world.sql.query(
    `SELECT DISTINCT usename FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'interview-agents-api' AND usename <> current_user`,
  );
  const [role] = sessions.map(({ usename }) => usename);
  expect(sessions).toEqual([{ usename: inject('serverRole') }]);
  const { rows } = await world.sql.query(
    `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
            (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS owned,
            (SELECT count(*)::int FROM pg_auth_members WHERE member = r.oid) AS memberships
       FROM pg_roles r WHERE rolname = $1`,
    [role],
  );
  expect(rows).toEqual([
    {
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      rolbypassrls: false,
      owned: 0,
      memberships: 0,
    },
  ]);
});

test('the server’s role has exactly the rights that the server uses, on each table and column', async () => {
  const { rows } = await world.sql.query(
    `SELECT table_name AS name, string_agg(DISTINCT privilege_type, ' ' ORDER BY privilege_type) AS rights
       FROM information_schema.role_table_grants WHERE grantee = $1 GROUP BY 1 ORDER BY 1`,
    [inject('serverRole')],
  );
  expect(Object.fromEntries(rows.map(({ name, rights }) => [name, rights]))).toEqual({
    _prisma_migrations: 'SELECT',
    agent: 'INSERT SELECT',
    agent_version: 'INSERT SELECT',
    api_key: 'SELECT',
    audit_entry: 'INSERT',
    company: 'SELECT',
    company_phone_number: 'SELECT',
    idempotency_key: 'DELETE INSERT SELECT',
    integration_company: 'SELECT',
    secret_fingerprint: 'INSERT SELECT',
    webhook_delivery: 'DELETE INSERT SELECT',
    webhook_endpoint: 'DELETE INSERT SELECT',
  });
  const { rows: columns } = await world.sql.query(
    `SELECT table_name AS name, column_name AS "column" FROM information_schema.role_column_grants
      WHERE grantee = $1 AND privilege_type = 'UPDATE'`,
    [inject('serverRole')],
  );
  const updated = (table: string) => columns.filter(({ name }) => name === table).map(({ column }) => column);
  expect(updated('api_key').toSorted()).toEqual(['hash', 'last_used_at']);
  const ofFields = Object.values(fields).map(({ column }) => column);
  expect(updated('agent').toSorted()).toEqual([...ofFields, 'version', 'updated_at', 'deleted_at'].toSorted());
  for (const kept of ['id', 'company_id', 'created_at']) expect(updated('agent')).not.toContain(kept);
  expect(updated('secret_fingerprint').toSorted()).toEqual(['fingerprint', 'recorded_at']);
  for (const kept of ['id', 'company_id', 'integration_id', 'created_at']) {
    expect(updated('webhook_endpoint')).not.toContain(kept);
  }
  for (const kept of ['id', 'position', 'endpoint_id', 'event_id', 'body', 'agent_id', 'company_id']) {
    expect(updated('webhook_delivery')).not.toContain(kept);
  }
  const tables = ['api_key', 'agent', 'secret_fingerprint', 'webhook_endpoint', 'webhook_delivery'];
  expect(columns).toHaveLength(tables.flatMap(updated).length);
});

const refused = [
  "UPDATE audit_entry SET action = 'other'",
  'DELETE FROM audit_entry',
  'TRUNCATE audit_entry',
  'SELECT FROM audit_entry',
  "UPDATE agent_version SET snapshot = '{}'",
  'DELETE FROM agent_version',
  'TRUNCATE agent_version',
  'DELETE FROM agent',
  'UPDATE agent SET company_id = gen_random_uuid()',
  'DELETE FROM api_key',
  'UPDATE api_key SET revoked_at = NULL',
  "UPDATE api_key SET scopes = '{}'",
  'DELETE FROM secret_fingerprint',
  'UPDATE api_key SET company_id = company_id',
  "INSERT INTO api_key (company_id, start, hash, scopes) SELECT id, 'sk_', 'hash', '{}' FROM company",
  "INSERT INTO company (name) VALUES ('mine')",
  'INSERT INTO integration_company SELECT gen_random_uuid(), gen_random_uuid()',
  'DELETE FROM integration_company',
  'SELECT FROM integration',
  'CREATE TABLE mine ()',
  'ALTER TABLE audit_entry DISABLE TRIGGER ALL',
  'DROP TRIGGER audit_entry_never_changes ON audit_entry',
  "SET session_replication_role = 'replica'",
  'UPDATE _prisma_migrations SET finished_at = NULL',
];

test.for(refused)('the server’s role cannot: %s', async (sql) => {
  await expect(asServer(sql)).rejects.toThrow(/permission denied|must be owner/);
});

test.for(["UPDATE audit_entry SET action = 'other'", 'DELETE FROM audit_entry', 'TRUNCATE audit_entry'])(
  'even the owner cannot: %s',
  async (sql) => {
    await world.company();
    const entries = async () => (await world.sql.query('SELECT * FROM audit_entry ORDER BY created_at, id')).rows;
    const before = await entries();
    expect(before.length).toBeGreaterThan(0);
    await expect(asOwner(sql)).rejects.toThrow('history entries never change');
    expect(await entries()).toEqual(before);
  },
);

test('even the owner cannot change an entry of an agent’s history', async () => {
  const { id } = await newSubject(world);
  const before = await storedAgent(world, id);
  await expect(asOwner("UPDATE agent_version SET caller_address = '192.0.2.1'")).rejects.toThrow('never change');
  expect(await storedAgent(world, id)).toEqual(before);
});
