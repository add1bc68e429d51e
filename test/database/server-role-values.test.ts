import { expect, inject, test } from 'vitest';
import { hashKey } from '../../src/api-keys/api-key.ts';
import { run } from '../support/global-setup.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const subject = await newSubject(world);
await world.patch(subject.key, subject.id, { duration: 31 });
const stranger = await newSubject(world);
const gone = await world.agent(subject.companyId);
await world.client(subject.key).remove(gone.id);
const ended = await world.newKey(subject.companyId);
await world.sql.query("UPDATE api_key SET revoked_at = now() - interval '2 minutes' WHERE id = $1", [ended.id]);
const kept = await world
  .client(subject.key)
  .patch(subject.id, { duration: 32 }, { header: { 'Idempotency-Key': 'young' } });
expect(kept.status).toBe(200);

const hash = hashKey('another key', world.secret);
const agent = `'${subject.id}'`;
const key = `'${subject.keyId}'`;

/** A change as the server makes it, but for `set` of the agent and `entry` of its history. */
const change = (set: string, { of = agent, createdAt = 'updated_at', operator = 'NULL', by = key } = {}) => `
  WITH c AS (UPDATE agent SET ${set} WHERE id = ${of} RETURNING *)
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id)
  SELECT id, version, ${createdAt}, '{}', '{}', ${operator}, ${by} FROM c`;
const next = "version = version + 1, updated_at = updated_at + interval '1 millisecond'";

/** A new agent as the server makes it, but for some columns. */
const create = (columns: string, values: string) => `
  WITH c AS (
    INSERT INTO agent (company_id, name, type, focus, language, duration, ${columns})
    VALUES ('${subject.companyId}', 'New', 'ONLINE', 'GENERIC', 'EN', 30, ${values}) RETURNING *)
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id)
  SELECT id, version, updated_at, '{}', '{}', ${key} FROM c`;

/** A history entry alone. */
const entry = (version: number, { of = agent, operator = 'NULL', by = key } = {}) => `
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id)
  VALUES (${of}, ${version}, now(), '{}', '{}', ${operator}, ${by})`;

/** A deletion as the server makes it, but for more that is set, and for its entry. */
const remove = (set = 'deleted_at = now()', columns = 'company_id', values = 'company_id', by = key) => `
  WITH d AS (UPDATE agent SET ${set} WHERE id = ${agent} RETURNING *)
  INSERT INTO audit_entry (action, agent_id, acting_key_id, ${columns})
  SELECT 'agent.deleted', id, ${by}, ${values} FROM d`;

const use = (set: string, of = key) => `UPDATE api_key SET ${set} WHERE id = ${of}`;

const deletion = ['agent_deletion_has_entry', 'audit_entry_has_deletion'];
const trail = ['audit_entry_insert_values', 'audit_entry_has_deletion'];

/** What is refused, the statement, and the triggers without which it would be carried out. */
const refused: readonly (readonly [title: string, sql: string, ...triggers: string[]])[] = [
  ['a new agent at version 2', create('version', '2'), 'agent_insert_values'],
  ['a new agent of yesterday', create('created_at', "now() - interval '1 day'"), 'agent_insert_values'],
  ['a new agent updated tomorrow', create('updated_at', "now() + interval '1 day'"), 'agent_insert_values'],
  ['a new agent that is deleted', create('deleted_at', 'now()'), 'agent_insert_values'],
  [
    'a new agent without history',
    `INSERT INTO agent (company_id, name, type, focus, language, duration)
     VALUES ('${subject.companyId}', 'New', 'ONLINE', 'GENERIC', 'EN', 30)`,
    'agent_insert_has_history',
  ],
  ['a change without a version', `UPDATE agent SET name = 'Other' WHERE id = ${agent}`, 'agent_update_values'],
  ['a version that was before', `UPDATE agent SET version = 1 WHERE id = ${agent}`, 'agent_update_values'],
  [
    '101 versions at once',
    change("version = version + 101, updated_at = updated_at + interval '101 milliseconds'"),
    'agent_update_values',
  ],
  [
    'a change of tomorrow',
    change("version = version + 1, updated_at = now() + interval '1 day'"),
    'agent_update_values',
  ],
  ['a change that is no later', change('version = version + 1'), 'agent_update_values'],
  ['an agent deleted no more', `UPDATE agent SET deleted_at = NULL WHERE id = '${gone.id}'`, 'agent_update_values'],
  [
    'a deleted agent’s return by a change',
    change(`${next}, deleted_at = NULL`, { of: `'${gone.id}'` }),
    'agent_update_values',
  ],
  ['a change of a deleted agent', change(next, { of: `'${gone.id}'` }), 'agent_update_values'],
  ['a deletion that changes the agent', remove("deleted_at = now(), name = 'Other'"), 'agent_update_values'],
  ['a deletion of yesterday', remove("deleted_at = now() - interval '1 day'"), 'agent_update_values', ...deletion],
  ['a change without history', `UPDATE agent SET ${next} WHERE id = ${agent}`, 'agent_update_has_history'],
  ['a change by an operator', change(next, { operator: "'root'" }), 'agent_version_insert_values'],
  ['a change by nobody', change(next, { by: 'NULL' }), 'agent_version_insert_values'],
  ['a change by an unknown key', change(next, { by: 'gen_random_uuid()' }), 'agent_version_insert_values'],
  ['a change by another company’s key', change(next, { by: `'${stranger.keyId}'` }), 'agent_version_insert_values'],
  [
    'a history entry of tomorrow',
    change(next, { createdAt: "updated_at + interval '1 day'" }),
    'agent_version_insert_values',
  ],
  [
    'a history entry of the past',
    change(next, { createdAt: "updated_at - interval '1 day'" }),
    'agent_version_insert_values',
  ],
  ['history of a version to come', entry(4), 'agent_version_insert_values'],
  ['history before the first version', entry(0), 'agent_version_insert_values'],
  ['history of no agent', entry(1, { of: 'gen_random_uuid()' }), 'agent_version_insert_values'],
  ['an operator’s audit entry', "INSERT INTO audit_entry (action, operator) VALUES ('key.revoked', 'root')", ...trail],
  [
    'an audit entry of another action',
    `INSERT INTO audit_entry (action, acting_key_id) VALUES ('key.revoked', ${key})`,
    ...trail,
  ],
  [
    'an audit entry of tomorrow',
    remove('deleted_at = now()', 'company_id, created_at', "company_id, now() + interval '1 day'"),
    ...trail,
    ...deletion,
  ],
  [
    'an audit entry with details',
    remove('deleted_at = now()', 'company_id, details', `company_id, '{"a":1}'`),
    'audit_entry_insert_values',
  ],
  [
    'an audit entry of a key',
    remove('deleted_at = now()', 'company_id, key_id', `company_id, ${key}`),
    'audit_entry_insert_values',
  ],
  [
    'an audit entry without a deletion',
    `INSERT INTO audit_entry (action, agent_id, company_id, acting_key_id) VALUES ('agent.deleted', ${agent}, '${subject.companyId}', ${key})`,
    'audit_entry_has_deletion',
  ],
  [
    'a second audit entry of a deletion',
    `${remove()}; INSERT INTO audit_entry (action, agent_id, company_id, acting_key_id) VALUES ('agent.deleted', ${agent}, '${subject.companyId}', ${key})`,
    'audit_entry_has_deletion',
  ],
  [
    'a deletion in another company’s name',
    remove('deleted_at = now()', 'company_id', `'${stranger.companyId}'`),
    ...deletion,
  ],
  [
    'a deletion by another company’s key',
    remove('deleted_at = now()', 'company_id', 'company_id', `'${stranger.keyId}'`),
    ...deletion,
  ],
  [
    'a deletion by an unknown key',
    remove('deleted_at = now()', 'company_id', 'company_id', 'gen_random_uuid()'),
    ...deletion,
  ],
  [
    'a deletion without an audit entry',
    `UPDATE agent SET deleted_at = now() WHERE id = ${agent}`,
    'agent_deletion_has_entry',
  ],
  ['a use of tomorrow', use("last_used_at = now() + interval '1 day'"), 'api_key_update_values'],
  ['a use of yesterday', use("last_used_at = now() - interval '1 day'"), 'api_key_update_values'],
  ['a use that never was', use('last_used_at = NULL'), 'api_key_update_values'],
  ['a hash without a use', use(`hash = '${hash}'`), 'api_key_update_values'],
  ['a hash of another form', use("last_used_at = now(), hash = 'hash'"), 'api_key_update_values'],
  [
    'a hash for a key that ended',
    use(`last_used_at = now(), hash = '${hash}'`, `'${ended.id}'`),
    'api_key_update_values',
  ],
  [
    'an answer kept until after tomorrow',
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, changed_fields, updated_at, created_at)
     VALUES (${key}, 'key', 'fingerprint', ${agent}, '{}', now(), now() + interval '1 day')`,
    'idempotency_key_insert_values',
  ],
  [
    'the loss of an answer of today',
    `DELETE FROM idempotency_key WHERE api_key_id = ${key}`,
    'idempotency_key_delete_values',
  ],
];

const tables = ['agent', 'agent_version', 'api_key', 'audit_entry', 'idempotency_key'];

async function stored(): Promise<unknown[]> {
  const all = tables.map((table) => world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`));
  return (await Promise.all(all)).map(({ rows }) => rows);
}

/** Runs statements, then undoes them. Fails where they do. */
const tryOut = (...statements: string[]) => run(world.ownerUrl, `BEGIN; ${statements.join('; ')}; ROLLBACK`);
const asRole = `SET LOCAL ROLE ${inject('serverRole')}`;

test.for(refused)('the server’s role may not write %s, the owner may', async ([, sql, ...triggers]) => {
  const before = await stored();
  await expect(run(world.databaseUrl, sql)).rejects.toMatchObject({ code: '42501' });
  expect(await stored()).toEqual(before);
  await tryOut(sql);
  const { rows } = await world.sql.query<{ off: string }>(
    `SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) AS off
       FROM pg_trigger WHERE tgname = ANY($1)`,
    [triggers],
  );
  expect(rows).toHaveLength(new Set(triggers).size);
  // Each of them alone refuses it.
  for (const { off } of rows) {
    const others = rows.filter((row) => row.off !== off).map((row) => row.off);
    await expect(tryOut(...others, asRole, sql)).rejects.toMatchObject({ code: '42501' });
  }
  await tryOut(...rows.map((row) => row.off), asRole, sql);
});
