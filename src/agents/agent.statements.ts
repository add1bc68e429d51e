import { agentJson, columnOf, fieldOf } from './agent.row.ts';
import { agentFields } from './agent.schema.ts';

/** An active phone number of a company. */
const activeNumber = (id: string, companyId: string) =>
  `EXISTS (SELECT FROM company_phone_number p WHERE p.id = ${id} AND p.company_id = ${companyId} AND p.status = 'ACTIVE')`;

/** $1 id, $2 company: whether a number is an active one of the company. */
export const numberSql = `SELECT ${activeNumber('$1::uuid', '$2::uuid')} AS active`;

/** $1 ids of agents, $2 the number that each may get, or null: in this order, an agent that is not there is null. */
export const findSql = `
  SELECT CASE WHEN a.id IS NOT NULL THEN ${agentJson('a')} END AS agent,
         ${activeNumber('q.number', 'a.company_id')} AS "numberIsActive"
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS q(id, number, place)
    LEFT JOIN agent a ON a.id = q.id AND a.deleted_at IS NULL
   ORDER BY q.place`;

/** $1 id: keeps the agent from everybody else until the transaction ends. */
export const lockSql = `SELECT id FROM agent WHERE id = $1::uuid FOR NO KEY UPDATE`;

/** One step of an agent, as `changeSql` takes it. */
export interface Step {
  readonly id: string;
  readonly company: string;
  /** The version that the first step of this agent was decided on. */
  readonly read: number;
  /** 1 for the first step of this agent in the batch … */
  readonly step: number;
  /** … up to this, its last. */
  readonly steps: number;
  /** All fields, as this step leaves them. */
  readonly content: object;
  readonly changed: readonly string[];
  /** Whether this step or one before it changed the metadata. */
  readonly touched: boolean;
  readonly key: string;
  readonly request: string;
  readonly address: string | null;
  /** The version whose content this step restores, or null. */
  readonly restored: number | null;
}

const stepColumns = `id uuid, company uuid, read int, step int, steps int, content jsonb, changed text[], touched boolean,
  key uuid, request text, address text, restored int`;

// Metadata that no step changed stays as it is: JavaScript could not carry every number that jsonb can.
const newValue = (field: (typeof agentFields)[number]) =>
  field === 'metadata'
    ? `CASE WHEN s.touched THEN ${fieldOf('s.content', field)} ELSE a.metadata END`
    : fieldOf('s.content', field);

/**
 * $1 ids of the agents, $2 their steps: writes each agent as its last step leaves it, and a history entry for each step,
 * under the version that was read. Returns the agents that were written; another change came first for the others, or
 * somebody holds their row.
 *
 * The ids are given beside the steps, since the planner takes the steps for a hundred and would read the whole table.
 * Rows are locked in the order of their ids, so that two processes cannot wait for each other. The company is compared
 * so that no index on it can be chosen: the primary key is the short way to the row.
 */
export const changeSql = `
  WITH step AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS s(${stepColumns})
  ), locked AS (
    SELECT a.id FROM agent a WHERE a.id = ANY($1::uuid[]) ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED
  ), written AS (
    UPDATE agent a SET ${agentFields.map((field) => `${columnOf(field)} = ${newValue(field)}`).join(', ')},
           version = a.version + s.steps,
           updated_at = greatest(date_trunc('milliseconds', clock_timestamp()),
                                 a.updated_at + s.steps * interval '1 millisecond')
      FROM step s, locked
     WHERE a.id = ANY($1::uuid[]) AND a.id = locked.id AND a.id = s.id AND s.step = s.steps
       AND (a.company_id = s.company) IS TRUE AND a.version = s.read AND a.deleted_at IS NULL
    RETURNING a.id, a.updated_at
  ), entry AS (
    INSERT INTO agent_version
           (agent_id, version, created_at, snapshot, changed_fields, key_id, request_id, caller_address, restored_from)
    SELECT s.id, s.read + s.step, w.updated_at - (s.steps - s.step) * interval '1 millisecond',
           s.content, s.changed, s.key, s.request, s.address, s.restored
      FROM written w JOIN step s ON s.id = w.id
  )
  SELECT id, updated_at AS "updatedAt" FROM written`;

/** $1 company, $2 content, $3 its fields, $4… its author: an agent and the history entry of its first version. */
export const createSql = `
  WITH created AS (
    INSERT INTO agent (company_id, ${agentFields.map(columnOf).join(', ')})
    SELECT $1::uuid, ${agentFields.map((field) => fieldOf('n.content', field)).join(', ')}
      FROM (SELECT $2::jsonb AS content) n
    RETURNING *
  ), entry AS (
    INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id, request_id, caller_address)
    SELECT id, version, updated_at, $2::jsonb, $3::text[], $4, $5::uuid, $6, $7 FROM created
  )
  SELECT ${agentJson('c')} AS agent FROM created c`;

/** $1 id, $2 the company that must own it, or null for any, $3 the version likewise, $4… its author: a soft deletion. */
export const deleteSql = `
  WITH deleted AS (
    UPDATE agent a SET deleted_at = now()
     WHERE a.id = $1::uuid AND a.deleted_at IS NULL
       AND ($2::uuid IS NULL OR a.company_id = $2::uuid) AND ($3::int IS NULL OR a.version = $3::int)
    RETURNING *
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

/**
 * $1 company, then a value for each filter, then limit or null, and offset: agents, the newest first. Rows are made JSON
 * for the page alone, not for those before it, and are asked for one by one: the planner cannot know how short a page is,
 * and would rather read the whole table.
 */
export const listSql = (names: readonly FilterName[]) => `
  SELECT (SELECT ${agentJson('one')} FROM agent one WHERE one.id = page.id) AS agent
    FROM (SELECT a.id, a.created_at ${filtered(names)}
           ORDER BY a.created_at DESC, a.id DESC LIMIT $${names.length + 2}::int OFFSET $${names.length + 3}::int) page
   ORDER BY page.created_at DESC, page.id DESC`;

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

/** $1 id, $2 operator: erases a deleted agent with its history. */
export const purgeSql = `
  WITH purged AS (DELETE FROM agent WHERE id = $1::uuid AND deleted_at IS NOT NULL RETURNING id, company_id, version),
       entries AS (DELETE FROM agent_version v USING purged WHERE v.agent_id = purged.id),
       entry AS (INSERT INTO audit_entry (action, operator, agent_id, company_id)
                 SELECT 'agent.purged', $2, id, company_id FROM purged)
  SELECT id, version AS versions FROM purged`;
