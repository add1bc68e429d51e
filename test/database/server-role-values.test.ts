import { expect, test } from 'vitest';
import { hashKey } from '../../src/auth/api-key.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectRefused } from '../support/server-role-refusals.ts';
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

const old = await world.agent(subject.companyId);
await world.sql.query("UPDATE agent SET created_at = '2021-01-01Z', updated_at = '2021-01-01Z' WHERE id = $1", [
  old.id,
]);

const hash = hashKey('another key', world.secret);
const agent = `'${subject.id}'::uuid`;
const key = `'${subject.keyId}'::uuid`;

const company = `'${subject.companyId}'::uuid`;
const deleted = `'${gone.id}'`;
const idle = `'${old.id}'::uuid`;
const day = "interval '1 day'";
const clock = "date_trunc('milliseconds', clock_timestamp())";
const at = (time: string) => `version = version + 1, updated_at = ${time}`;
const next = at(`greatest(${clock}, updated_at + interval '1 millisecond')`);

/** A change as the server writes it, except for `set` of the agent and its history entry. */
const change = (set: string, { of = agent, createdAt = 'updated_at', operator = 'NULL', by = key } = {}) => `
  WITH c AS (UPDATE agent SET ${set} WHERE id = ${of} RETURNING *)
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id)
  SELECT id, version, ${createdAt}, '{}', '{}', ${operator}, ${by} FROM c`;

const newAgent = (columns = '', values = '') => `
  INSERT INTO agent (company_id, name, type, focus, language, duration ${columns})
  VALUES (${company}, 'New', 'ONLINE', 'GENERIC', 'EN', 30 ${values})`;

/** A new agent as the server writes it, except for a column. */
const create = (column: string, value: string) => `
  WITH c AS (${newAgent(`, ${column}`, `, ${value}`)} RETURNING *)
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id)
  SELECT id, version, updated_at, '{}', '{}', ${key} FROM c`;

/** A history entry without a change of its agent, with the time that its version has or would have. */
const entry = (version: number, of = agent) => `
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id)
  SELECT ${of}, ${version}, coalesce(max(updated_at) - (max(version) - ${version}) * interval '1 millisecond', now()),
         '{}', '{}', ${key} FROM agent WHERE id = ${of}`;

/** A deletion as the server writes it, except for `set` and a column of its audit entry. */
const remove = ({ set = 'deleted_at = now()', from = company, by = key, column = 'request_id', value = 'NULL' }) => `
  WITH d AS (UPDATE agent SET ${set} WHERE id = ${agent} RETURNING *)
  INSERT INTO audit_entry (action, agent_id, company_id, acting_key_id, ${column})
  SELECT 'agent.deleted', id, ${from}, ${by}, ${value} FROM d`;

/** An audit entry without a change. */
const audit = (action: string, author: string, value: string) => `
  INSERT INTO audit_entry (action, agent_id, company_id, ${author}) VALUES ('${action}', ${agent}, ${company}, ${value})`;

const use = (set: string, of = key) => `UPDATE api_key SET ${set} WHERE id = ${of}`;

const [inserted, updated, historic] = ['agent_insert_values', 'agent_update_values', 'agent_version_insert_values'];
const [used, audited, listed] = ['api_key_update_values', 'audit_entry_insert_values', 'audit_entry_has_deletion'];
const both = ['agent_deletion_has_entry', listed];

/** What is refused, the statement, and the triggers that refuse it. */
const refused: readonly (readonly [title: string, sql: string, ...triggers: string[]])[] = [
  ['a new agent at version 2', create('version', '2'), inserted],
  ['a new agent dated yesterday', create('created_at', `now() - ${day}`), inserted],
  ['a new agent updated tomorrow', create('updated_at', `now() + ${day}`), inserted],
  ['a new agent that is deleted', create('deleted_at', 'now()'), inserted],
  ['a new agent without history', newAgent(), 'agent_insert_has_history'],
  ['a change without a version', `UPDATE agent SET name = 'Other' WHERE id = ${agent}`, updated],
  ['a version that exists already', `UPDATE agent SET version = 1 WHERE id = ${agent}`, updated],
  ['101 versions in one statement', change('version = version + 101, updated_at = clock_timestamp()'), updated],
  ['a change dated tomorrow', change(`version = version + 1, updated_at = now() + ${day}`), updated],
  ['a change dated two minutes ago', change(at(`${clock} - interval '2 minutes'`), { of: idle }), updated],
  ['a change dated 2021', change(at("'2021-06-01Z'"), { of: idle }), updated],
  [
    'a change a millisecond after one of 2021',
    change(at("updated_at + interval '1 millisecond'"), { of: idle }),
    updated,
  ],
  ['a change that is not later than the one before', change('version = version + 1'), updated],
  ['an agent that is no longer deleted', `UPDATE agent SET deleted_at = NULL WHERE id = ${deleted}`, updated],
  ['a change that undeletes an agent', change(`${next}, deleted_at = NULL`, { of: deleted }), updated],
  ['a change of a deleted agent', change(next, { of: deleted }), updated],
  ['a deletion that changes the agent', remove({ set: "deleted_at = now(), name = 'Other'" }), updated],
  ['a deletion dated yesterday', remove({ set: `deleted_at = now() - ${day}` }), updated, ...both],
  ['a change by an operator', change(next, { operator: "'root'" }), historic],
  ['a change without an author', change(next, { by: 'NULL' }), historic],
  ['a change by an unknown key', change(next, { by: 'gen_random_uuid()' }), historic],
  ['a change by another company’s key', change(next, { by: `'${stranger.keyId}'` }), historic],
  ['a history entry dated tomorrow', change(next, { createdAt: `updated_at + ${day}` }), historic],
  ['a history entry dated in the past', change(next, { createdAt: `updated_at - ${day}` }), historic],
  ['a history entry of a future version', entry(4), historic],
  ['a history entry before the first version', entry(0), historic],
  ['a history entry of a negative version', entry(-5), historic],
  ['a history entry without an agent', entry(1, 'gen_random_uuid()'), historic],
  ['an operator’s audit entry', audit('agent.deleted', 'operator', "'root'"), audited, listed],
  ['an audit entry with another action', audit('key.revoked', 'acting_key_id', key), audited, listed],
  ['an audit entry dated tomorrow', remove({ column: 'created_at', value: `now() + ${day}` }), audited, ...both],
  ['an audit entry with details', remove({ column: 'details', value: `'{"a":1}'::jsonb` }), audited],
  ['an audit entry about a key', remove({ column: 'key_id', value: key }), audited],
  ['an audit entry without a deletion', audit('agent.deleted', 'acting_key_id', key), listed],
  ['a second audit entry of a deletion', `${remove({})}; ${audit('agent.deleted', 'acting_key_id', key)}`, listed],
  ['a deletion with an audit entry of another company', remove({ from: `'${stranger.companyId}'::uuid` }), ...both],
  ['a deletion by another company’s key', remove({ by: `'${stranger.keyId}'::uuid` }), ...both],
  ['a deletion by an unknown key', remove({ by: 'gen_random_uuid()' }), ...both],
  [
    'a deletion without an entry',
    `UPDATE agent SET deleted_at = now() WHERE id = ${agent}`,
    'agent_deletion_has_entry',
  ],
  ['a use dated tomorrow', use(`last_used_at = now() + ${day}`), used],
  ['a use dated yesterday', use(`last_used_at = now() - ${day}`), used],
  ['the removal of a use', use('last_used_at = NULL'), used],
  ['a new hash without a use', use(`hash = '${hash}'`), used],
  ['a hash in another format', use("last_used_at = now(), hash = 'hash'"), used],
  ['a new hash for a key that has ended', use(`last_used_at = now(), hash = '${hash}'`, `'${ended.id}'`), used],
  [
    'an answer kept until after tomorrow',
    `INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, changed_fields, updated_at, created_at)
     VALUES (${key}, 'key', 'fingerprint', ${agent}, '{}', now(), now() + ${day})`,
    'idempotency_key_insert_values',
  ],
  [
    'the deletion of an answer from today',
    `DELETE FROM idempotency_key WHERE key = 'young'`,
    'idempotency_key_delete_values',
  ],
];

const tables = ['agent', 'agent_version', 'api_key', 'audit_entry', 'idempotency_key'];

test.for(refused)('the server’s role cannot write %s, the owner can', ([, sql, ...triggers]) =>
  expectRefused(world, tables, sql, triggers),
);
