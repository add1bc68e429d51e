import { agentFields, fields } from './fields.ts';
import { agentJson, fieldOf } from './row.statements.ts';

/** An active phone number of a company. */
export const activeNumber = (id: string, companyId: string) =>
  `EXISTS (SELECT FROM company_phone_number p WHERE p.id = ${id} AND p.company_id = ${companyId} AND p.status = 'ACTIVE')`;

/** $1 id, $2 company: whether a number is an active one of the company. */
export const numberSql = `SELECT ${activeNumber('$1::uuid', '$2::uuid')} AS active`;

/** $1 company, $2 content, $3 its fields, $4… its author: an agent and the history entry of its first version. */
export const createSql = `${creating()}
  SELECT ${agentJson('c')} AS agent FROM created c`;

/** $8 idempotency key, $9 fingerprint, beside what `createSql` takes: keeps the answer too. A key that is taken undoes all. */
export const keepingCreateSql = `${creating()}, kept AS (
    INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
    SELECT $5::uuid, $8, $9, c.id, ${agentJson('c')}, $3::text[], c.updated_at FROM created c
  )
  SELECT ${agentJson('c')} AS agent FROM created c`;

function creating() {
  return `
  WITH created AS (
    INSERT INTO agent (company_id, ${agentFields.map((name) => fields[name].column).join(', ')})
    SELECT $1::uuid, ${agentFields.map((field) => fieldOf('n.content', field)).join(', ')}
      FROM (SELECT $2::jsonb AS content) n
    RETURNING *
  ), entry AS (
    INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id, request_id, caller_address)
    SELECT id, version, updated_at, $2::jsonb, $3::text[], $4, $5::uuid, $6, $7 FROM created
  )`;
}

/**
 * $1 id, $2 the company that must own it, or null for any, $3 the version likewise, $4… its author: a soft deletion.
 * Returns nothing where no such agent is there, or another transaction holds its row.
 */
export const deleteSql = `
  WITH locked AS (
    SELECT a.id FROM agent a WHERE a.id = $1::uuid FOR NO KEY UPDATE SKIP LOCKED
  ), deleted AS (
    UPDATE agent a SET deleted_at = now()
      FROM locked
     WHERE a.id = $1::uuid AND a.id = locked.id AND a.deleted_at IS NULL
       AND ($2::uuid IS NULL OR a.company_id = $2::uuid) AND ($3::int IS NULL OR a.version = $3::int)
    RETURNING a.*
  ), entry AS (
    INSERT INTO audit_entry (action, agent_id, company_id, operator, acting_key_id, request_id, caller_address)
    SELECT 'agent.deleted', id, company_id, $4, $5::uuid, $6, $7 FROM deleted
  )
  SELECT ${agentJson('d')} AS agent FROM deleted d`;

/** What a list may be narrowed by, `value` being the parameter. */
const filters = {
  name: (value: string) => `position(lower(${value}) IN lower(a.name)) > 0`,
  type: (value: string) => `a.type = ${value}`,
  focus: (value: string) => `a.focus = ${value}`,
  language: (value: string) => `a.language = ${value}`,
};
export type FilterName = keyof typeof filters;
export const isFilterName = (name: string): name is FilterName => Object.hasOwn(filters, name);

// A filter that is not given is not in the statement: the planner would take it for one that leaves hardly a row, and
// would sort the whole company instead of following the index.
const filtered = (names: readonly FilterName[]) => `
    FROM agent a
   WHERE ${['a.company_id = $1::uuid', 'a.deleted_at IS NULL', ...names.map((name, at) => filters[name](`$${at + 2}::text`))].join(' AND ')}`;

/** $1 company, then a value for each filter: how many agents there are. */
export const countSql = (names: readonly FilterName[]) => `SELECT count(*)::int AS total ${filtered(names)}`;

/** Bytes of JSON past which a portion of a page ends; its last agent may go beyond them. */
const portionBytes = 1_048_576;

/**
 * $1 company, then a value for each filter, then limit and offset: the first portion of a page, the newest agents first.
 * The ids come from the index alone, so that the rows before the page are not read.
 */
export const pageSql = (names: readonly FilterName[]) =>
  portionOf(`
    SELECT array_agg(page.id ORDER BY page.created_at DESC, page.id DESC) AS ids
      FROM (SELECT a.id, a.created_at ${filtered(names)}
             ORDER BY a.created_at DESC, a.id DESC LIMIT $${names.length + 2}::int OFFSET $${names.length + 3}::int) page`);

/** $1 ids: the first portion of these agents, in this order, deleted ones included; null for one that was erased. */
export const portionSql = portionOf('SELECT $1::uuid[] AS ids');

/**
 * Agents are read one by one until a portion is full, and none behind it: their JSON would have to be made to learn its
 * size. The last row of a full portion holds the ids that are left.
 */
function portionOf(idsSql: string) {
  return `
  WITH RECURSIVE wanted AS (${idsSql}), portion AS (
    SELECT 0 AS place, 0 AS bytes, NULL::json AS agent, ids FROM wanted
    UNION ALL
    SELECT p.place + 1, p.bytes + coalesce(octet_length(next.agent::text), 0), next.agent, p.ids
      FROM portion p
      LEFT JOIN LATERAL (SELECT ${agentJson('one')} AS agent FROM agent one WHERE one.id = p.ids[p.place + 1] OFFSET 0) next ON true
     WHERE p.place < cardinality(p.ids) AND p.bytes < ${portionBytes}
  )
  SELECT agent, CASE WHEN bytes >= ${portionBytes} THEN ids[place + 1:] END AS rest FROM portion WHERE place > 0 ORDER BY place`;
}

/** $1 company: all of its agents, the newest first. */
export const listSql = `
  SELECT (SELECT ${agentJson('one')} FROM agent one WHERE one.id = listed.id) AS agent
    FROM (SELECT a.id, a.created_at ${filtered([])}) listed
   ORDER BY listed.created_at DESC, listed.id DESC`;

/** $1 agent, $2 version, $3 limit, $4 offset: its history up to that version, the newest first. */
export const entriesSql = `
  SELECT version, created_at AS "createdAt", changed_fields AS "changedFields", key_id AS "keyId",
         request_id AS "requestId", restored_from AS "restoredFrom"
    FROM agent_version
   WHERE agent_id = $1::uuid AND version <= $2::int
   ORDER BY version DESC LIMIT $3::int OFFSET $4::int`;

/** $1 agent, $2 version: what the agent was. */
export const snapshotSql = `
  SELECT version, created_at AS "createdAt", snapshot AS content FROM agent_version
   WHERE agent_id = $1::uuid AND version = $2::int`;

/** $1 id, $2 operator: erases a deleted agent with its history, and what was answered about it. */
export const purgeSql = `
  WITH purged AS (DELETE FROM agent WHERE id = $1::uuid AND deleted_at IS NOT NULL RETURNING id, company_id, version),
       entries AS (DELETE FROM agent_version v USING purged WHERE v.agent_id = purged.id),
       answers AS (UPDATE idempotency_key k SET agent = NULL FROM purged WHERE k.agent_id = purged.id),
       entry AS (INSERT INTO audit_entry (action, operator, agent_id, company_id)
                 SELECT 'agent.purged', $2, id, company_id FROM purged)
  SELECT id, version AS versions FROM purged`;
