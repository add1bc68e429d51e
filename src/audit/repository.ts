import type { Database } from '../database/client.ts';
import { longRead } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import type { Query } from '../database/statement.ts';
import { type AuditEntry, auditEntrySchema } from './row.schema.ts';

/** Filters of the list; an entry must match all that are given. */
export interface AuditFilter {
  readonly company?: string | undefined;
  /** The key that acted, or that was changed. */
  readonly key?: string | undefined;
  readonly agent?: string | undefined;
  /** RFC 3339: from this time on … */
  readonly since?: string | undefined;
  /** … until before this one. */
  readonly until?: string | undefined;
}

/** A filter and a range in days before now: entries younger than `within` and older than `beyond`. */
interface Search extends AuditFilter {
  readonly within?: number | undefined;
  readonly beyond?: number | undefined;
}

/** What differs between the two sources: the SQL of each filter, and of the columns of an entry. */
interface Source {
  readonly conditions: Readonly<Record<keyof Search, (parameter: string) => string>>;
  readonly select: string;
}

const by = (operator: string, key: string, request: string, address: string) =>
  `json_build_object('operator', ${operator}, 'keyId', ${key}, 'requestId', ${request}, 'address', ${address}) AS by`;

const daysAgo = (parameter: string) => `now() - ${parameter}::int * interval '1 day'`;

const timeConditions = (column: string) => ({
  since: (parameter: string) => `${column} >= ${parameter}::timestamptz`,
  until: (parameter: string) => `${column} < ${parameter}::timestamptz`,
  within: (parameter: string) => `${column} >= ${daysAgo(parameter)}`,
  beyond: (parameter: string) => `${column} < ${daysAgo(parameter)}`,
});

const trail: Source = {
  conditions: {
    company: (parameter) => `e.company_id = ${parameter}::uuid`,
    key: (parameter) => `${parameter}::uuid IN (e.key_id, e.acting_key_id)`,
    agent: (parameter) => `e.agent_id = ${parameter}::uuid`,
    ...timeConditions('e.created_at'),
  },
  select: `
    SELECT e.created_at AS at, e.action, ${by('e.operator', 'e.acting_key_id', 'e.request_id', 'e.caller_address')},
           e.company_id AS "companyId", e.integration_id AS "integrationId", e.key_id AS "keyId",
           e.phone_number_id AS "phoneNumberId", e.agent_id AS "agentId", e.details
      FROM audit_entry e`,
};

const history: Source = {
  conditions: {
    company: (parameter) => `a.company_id = ${parameter}::uuid`,
    key: (parameter) => `v.key_id = ${parameter}::uuid`,
    agent: (parameter) => `v.agent_id = ${parameter}::uuid`,
    ...timeConditions('v.created_at'),
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
 * Reads the audit trail, the newest first: its entries and the history of agents, as one list. Raw, since Prisma has no UNION,
 * and cannot join a version with its agent: there is no foreign key, as the agent may have been erased.
 */
export const auditEntries = (database: Database, filter: AuditFilter, limit: number): Promise<AuditEntry[]> =>
  // With long limits: the history of all companies can be long.
  longRead(database, (query) =>
    filter.agent === undefined ? searchBack(query, filter, limit) : search(query, filter, limit),
  );

/** Ranges, in days before now, in which the history is searched: the last entries of a busy key or company are in the first. */
const reaches = [1, 8, 64, 512, undefined];

/**
 * Searches the history range by range, until there are enough entries. The history has no index on keys, companies, or the
 * order of times, each of which would cost every change as much as the primary key does. So for a key or company with few
 * entries the whole history is read once.
 */
async function searchBack(query: Query, filter: AuditFilter, limit: number): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  let beyond: number | undefined;
  for (const within of reaches) {
    // One by one: as arguments of one call, many entries would be too many.
    for (const entry of await search(query, { ...filter, within, beyond }, limit - found.length)) found.push(entry);
    if (found.length >= limit) break;
    beyond = within;
  }
  return found;
}

async function search(query: Query, wanted: Search, limit: number): Promise<AuditEntry[]> {
  const given = filterNames.flatMap((name) => (wanted[name] === undefined ? [] : [name]));
  const values = [...given.map((name) => wanted[name]), limit];
  // Filters that are not given are left out of the statement, so that indexes can be used for the others.
  const part = ({ conditions, select }: Source) => {
    const where = given.map((name, at) => conditions[name](`$${at + 1}`));
    const order = `ORDER BY 1 DESC LIMIT $${values.length}::int`;
    return `(${select} ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ${order})`;
  };
  const text = `${part(trail)} UNION ALL ${part(history)} ORDER BY at DESC LIMIT $${values.length}::int`;
  return entriesOf(await query({ text, values }));
}

const filterNames = ['company', 'key', 'agent', 'since', 'until', 'within', 'beyond'] as const;
