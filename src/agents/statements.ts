import type { Author } from '../auth/caller.ts';
import { isRecent } from '../auth/lookup.statements.ts';
import { constant, empty, join, type Statement, sql } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { itemsBefore, type Page } from '../http/pages.ts';
import { insertDeliveries } from '../webhooks/events.statements.ts';
import { type AgentContent, agentFields, fields } from './fields.ts';
import { nameContains } from './name-search.statements.ts';
import type { FilterName } from './request.schema.ts';
import { agentJson, agentText, fieldOf } from './row.statements.ts';

/** The author of an entry, as columns of `given`. */
const authorValues = (by: Author) =>
  'operator' in by
    ? sql`${by.operator}::text AS operator, NULL::uuid AS key, NULL::text AS request, NULL::text AS address`
    : sql`NULL::text AS operator, ${by.keyId}::uuid AS key, ${by.requestId}::text AS request, ${by.address}::text AS address`;

const contentColumns = constant(agentFields.map((name) => fields[name].column).join(', '));
const contentValues = constant(agentFields.map((field) => fieldOf('n.content', field)).join(', '));
const created = constant(agentJson('c'));
const createdText = constant(agentText('c'));
const deletedText = constant(agentText('d'));
const oneText = constant(agentText('one'));
const wasRecent = constant(isRecent('n.looked_up_at'));

const createdEvents = constant(
  insertDeliveries(
    'agent.created',
    { events: 'created c CROSS JOIN given g', companies: 'SELECT company_id FROM created' },
    {
      ...{ agent: 'c.id', company: 'c.company_id', version: 'c.version', at: 'c.updated_at' },
      ...{ changed: 'g.fields', restored: 'NULL::int', request: 'g.request', key: 'g.key' },
    },
  ),
);
const deletedEvents = constant(
  insertDeliveries(
    'agent.deleted',
    { events: 'deleted d CROSS JOIN given g', companies: 'SELECT company_id FROM deleted' },
    {
      ...{ agent: 'd.id', company: 'd.company_id', version: 'd.version', at: 'd.deleted_at' },
      ...{ changed: `'{}'::text[]`, restored: 'NULL::int', request: 'g.request', key: 'g.key' },
    },
  ),
);

export interface Creation {
  readonly companyId: string;
  readonly content: AgentContent;
  readonly by: Author;
  /** When the key was looked up, as `isRecent` judges it; null for an operator. */
  readonly lookedUpAt: number | null;
  /** The Idempotency-Key under which the answer is kept. If one is kept already, the statement is rolled back. */
  readonly keep?: (Idempotency & { readonly keyId: string }) | undefined;
}

/**
 * Inserts an agent, its first history entry and its events. Returns no row if the lookup of the key is too old. Raw, since
 * Prisma can neither insert on a condition nor make a row for each endpoint that gets the event.
 */
export const createStatement = ({ companyId, content, by, lookedUpAt, keep }: Creation) => sql`
  WITH given AS (
    SELECT ${JSON.stringify(content)}::jsonb AS content, ${agentFields}::text[] AS fields, ${lookedUpAt}::float8 AS looked_up_at,
           ${authorValues(by)}
  ), created AS (
    INSERT INTO agent (company_id, ${contentColumns})
    SELECT ${companyId}::uuid, ${contentValues} FROM given n WHERE ${wasRecent}
    RETURNING *
  ), entry AS (
    INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator, key_id, request_id, caller_address)
    SELECT c.id, c.version, c.updated_at, g.content, g.fields, g.operator, g.key, g.request, g.address FROM created c, given g
  )${createdEvents}${keep ? kept(keep) : empty}
  SELECT ${createdText} AS json FROM created c`;

const kept = ({ keyId, key, fingerprint }: Idempotency & { readonly keyId: string }) => sql`, kept AS (
    INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
    SELECT ${keyId}::uuid, ${key}, ${fingerprint}, c.id, ${created}, g.fields, c.updated_at FROM created c, given g
  )`;

export interface Deletion extends Pick<Creation, 'by' | 'lookedUpAt'> {
  readonly id: string;
  /** The company that must own the agent; null for any. */
  readonly companyId: string | null;
  /** The version that the agent must have; null for any. */
  readonly version: number | null;
}

/**
 * Soft-deletes an agent. Returns no row if there is no such agent, another transaction has locked its row or has just changed
 * it, or the lookup of the key is too old. Raw, since Prisma cannot skip locked rows.
 */
export const deleteStatement = ({ id, companyId, version, by, lookedUpAt }: Deletion) => sql`
  WITH given AS (SELECT ${lookedUpAt}::float8 AS looked_up_at, ${authorValues(by)}), locked AS (
    SELECT a.ctid AS place FROM agent a, given n WHERE a.id = ${id}::uuid AND ${wasRecent}
       FOR NO KEY UPDATE OF a SKIP LOCKED
  ), deleted AS (
    UPDATE agent a SET deleted_at = now()
      FROM locked
     WHERE a.ctid = locked.place AND a.deleted_at IS NULL
       AND (${companyId}::uuid IS NULL OR a.company_id = ${companyId}::uuid)
       AND (${version}::int IS NULL OR a.version = ${version}::int)
    RETURNING a.*
  ), entry AS (
    INSERT INTO audit_entry (action, agent_id, company_id, operator, acting_key_id, request_id, caller_address)
    SELECT 'agent.deleted', d.id, d.company_id, g.operator, g.key, g.request, g.address FROM deleted d, given g
  )${deletedEvents}
  SELECT ${deletedText} AS json FROM deleted d`;

/** The SQL condition of each filter. The type requires one for every filter in the schema of the query. */
const filters: { readonly [Name in FilterName]: (value: string) => Statement } = {
  name: nameContains,
  type: (value) => sql`a.type = ${value}::text`,
  focus: (value) => sql`a.focus = ${value}::text`,
  language: (value) => sql`a.language = ${value}::text`,
};

export type GivenFilter = readonly [name: FilterName, value: string];

// Filters that are not given are left out of the statement. With a condition such as `$1 IS NULL OR …`, the planner would
// expect few rows, and sort all agents of the company instead of following the index.
const filtered = (companyId: string, given: readonly GivenFilter[]) => {
  const conditions = given.map(([name, value]) => filters[name](value));
  return sql`
    FROM agent a
   WHERE ${join([sql`a.company_id = ${companyId}::uuid`, sql`a.deleted_at IS NULL`, ...conditions], ' AND ')}`;
};

/** Bytes of JSON at which a portion of a page ends, with the agent that reaches them. */
const portionBytes = constant('1048576');

/**
 * The first portion of a page of a company's agents, the newest first, and in each row the number of agents on all pages. Both
 * are of one snapshot: a change between two statements could make a full page look like the last one. Without filters, both
 * come from the index alone, so that the rows before the page are not read. With filters, all agents of the company are matched
 * for the number in any case, so the page is taken from what matched. Raw, since Prisma can do neither, nor search by name as
 * `nameContains` does.
 */
export function pageStatement(companyId: string, page: Page, given: readonly GivenFilter[] = []) {
  const all = filtered(companyId, given);
  const matched = sql`matched AS MATERIALIZED (SELECT a.id, a.created_at ${all}), `;
  const listed = given.length > 0 ? sql`FROM matched a` : all;
  return portionOf(
    sql`
    SELECT array_agg(page.id ORDER BY page.created_at DESC, page.id DESC) AS ids
      FROM (SELECT a.id, a.created_at ${listed}
             ORDER BY a.created_at DESC, a.id DESC LIMIT ${page.limit}::int OFFSET ${itemsBefore(page)}::int) page`,
    { before: given.length > 0 ? matched : empty, total: sql`, (SELECT count(*)::int ${listed}) AS total` },
  );
}

/** The first portion of these agents of a company, in this order, deleted ones included; null for one that was erased. */
export const portionStatement = (companyId: string, ids: readonly string[]) =>
  portionOf(sql`SELECT ${ids}::uuid[] AS ids`, { condition: sql`AND one.company_id = ${companyId}::uuid` });

type PortionParts = { readonly [Part in 'before' | 'total' | 'condition']?: Statement };

/**
 * Reads agents one by one until the portion is full, so that no JSON is made for agents behind it. The first row has no agent:
 * an empty page too has a row with its total. The last row of a full portion has the remaining ids.
 * @param before queries that `ids` and `total` read from
 * @param total another column
 * @param condition null stands for an agent that does not fulfil it
 */
function portionOf(ids: Statement, { before = empty, total = empty, condition = empty }: PortionParts) {
  return sql`
  WITH RECURSIVE ${before}wanted AS (${ids}), portion AS (
    SELECT 0 AS place, 0 AS bytes, NULL::text AS agent, ids FROM wanted
    UNION ALL
    SELECT p.place + 1, p.bytes + coalesce(octet_length(next.agent), 0), next.agent, p.ids
      FROM portion p
      LEFT JOIN LATERAL (SELECT ${oneText} AS agent FROM agent one
                          WHERE one.id = p.ids[p.place + 1] ${condition} OFFSET 0) next ON true
     WHERE p.place < cardinality(p.ids) AND p.bytes < ${portionBytes}
  )
  SELECT agent, CASE WHEN bytes >= ${portionBytes} THEN ids[place + 1:] END AS rest${total} FROM portion ORDER BY place`;
}

/** All agents of a company, the newest first. Raw, since Prisma would parse JSON itself. */
export const listStatement = (companyId: string) => sql`
  SELECT (SELECT ${oneText} FROM agent one WHERE one.id = listed.id) AS json
    FROM (SELECT a.id, a.created_at ${filtered(companyId, [])}) listed
   ORDER BY listed.created_at DESC, listed.id DESC`;
