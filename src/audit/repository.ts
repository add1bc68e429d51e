import type { Database, Query } from '../database/client.ts';
import { rowsOf } from '../database/rows.ts';
import { type AuditEntry, auditEntrySchema } from './schema.ts';

/** Which entries to list; all that is given must hold. */
export interface AuditFilter {
  readonly company?: string | undefined;
  /** The key that did it, or that it was done to. */
  readonly key?: string | undefined;
  readonly agent?: string | undefined;
  /** RFC 3339: from this time on … */
  readonly since?: string | undefined;
  /** … until before this one. */
  readonly until?: string | undefined;
}

export type AuditRepository = ReturnType<typeof auditRepository>;

/** A filter, and days before now: entries from `within` of them on, and until before `beyond` of them. */
interface Search extends AuditFilter {
  readonly within?: number | undefined;
  readonly beyond?: number | undefined;
}

/** What the two sources have in common: where each filter is found, and the columns of an entry. */
interface Source {
  readonly conditions: Readonly<Record<keyof Search, (value: string) => string>>;
  readonly select: string;
}

const by = (operator: string, key: string, request: string, address: string) =>
  `json_build_object('operator', ${operator}, 'keyId', ${key}, 'requestId', ${request}, 'address', ${address}) AS by`;

const daysAgo = (value: string) => `now() - ${value}::int * interval '1 day'`;

const trail: Source = {
  conditions: {
    company: (value) => `e.company_id = ${value}::uuid`,
    key: (value) => `${value}::uuid IN (e.key_id, e.acting_key_id)`,
    agent: (value) => `e.agent_id = ${value}::uuid`,
    since: (value) => `e.created_at >= ${value}::timestamptz`,
    until: (value) => `e.created_at < ${value}::timestamptz`,
    within: (value) => `e.created_at >= ${daysAgo(value)}`,
    beyond: (value) => `e.created_at < ${daysAgo(value)}`,
  },
  select: `
    SELECT e.created_at AS at, e.action, ${by('e.operator', 'e.acting_key_id', 'e.request_id', 'e.caller_address')},
           e.company_id AS "companyId", e.integration_id AS "integrationId", e.key_id AS "keyId",
           e.phone_number_id AS "phoneNumberId", e.agent_id AS "agentId", e.details
      FROM audit_entry e`,
};

const history: Source = {
  conditions: {
    company: (value) => `a.company_id = ${value}::uuid`,
    key: (value) => `v.key_id = ${value}::uuid`,
    agent: (value) => `v.agent_id = ${value}::uuid`,
    since: (value) => `v.created_at >= ${value}::timestamptz`,
    until: (value) => `v.created_at < ${value}::timestamptz`,
    within: (value) => `v.created_at >= ${daysAgo(value)}`,
    beyond: (value) => `v.created_at < ${daysAgo(value)}`,
  },
  select: `
    SELECT v.created_at, CASE WHEN v.version = 1 THEN 'agent.created' WHEN v.restored_from IS NOT NULL
                              THEN 'agent.restored' ELSE 'agent.changed' END,
           ${by('v.operator', 'v.key_id', 'v.request_id', 'v.caller_address')},
           a.company_id, NULL, NULL, NULL, v.agent_id,
           jsonb_build_object('version', v.version, 'changedFields', v.changed_fields, 'restoredFrom', v.restored_from)
      FROM agent_version v LEFT JOIN agent a ON a.id = v.agent_id`,
};

const entriesOf = rowsOf(auditEntrySchema);

/**
 * Reads the trail: its own entries and the history of agents, as one list. Raw, since Prisma can neither unite two tables
 * nor find the company of a version, whose agent may be erased: no foreign key connects them.
 */
export function auditRepository(database: Database) {
  return {
    /** The newest first. */
    list: (filter: AuditFilter, limit: number): Promise<AuditEntry[]> =>
      database.transaction(async (query) => {
        // The history of everybody may be long; the limit of the role is that of a request.
        await query('SET LOCAL statement_timeout = 60000', []);
        return await (filter.key === undefined ? search(query, filter, limit) : searchBack(query, filter, limit));
      }),
  };
}

/** Days that the history of a key is read back in one go: what a busy key did last is found in the first of them. */
const reaches = [1, 8, 64, 512, undefined];

/**
 * The history has no index of keys: it would cost every change as much again as its primary key. So what a busy key did last
 * is found without the rest, and for a key that did little all of the history is read once, in pieces.
 */
async function searchBack(query: Query, filter: AuditFilter, limit: number): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  let beyond: number | undefined;
  for (const within of reaches) {
    found.push(...(await search(query, { ...filter, within, beyond }, limit - found.length)));
    if (found.length >= limit) break;
    beyond = within;
  }
  return found;
}

async function search(query: Query, wanted: Search, limit: number): Promise<AuditEntry[]> {
  const given = filterNames.flatMap((name) => (wanted[name] === undefined ? [] : [name]));
  const values = [...given.map((name) => wanted[name]), limit];
  // A filter that is not given is not in the statement, so that an index serves those that are.
  const part = ({ conditions, select }: Source) => {
    const where = given.map((name, at) => conditions[name](`$${at + 1}`));
    const order = `ORDER BY 1 DESC LIMIT $${values.length}::int`;
    return `(${select} ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ${order})`;
  };
  const sql = `${part(trail)} UNION ALL ${part(history)} ORDER BY at DESC LIMIT $${values.length}::int`;
  return entriesOf(await query(sql, values));
}

const filterNames = ['company', 'key', 'agent', 'since', 'until', 'within', 'beyond'] as const;
