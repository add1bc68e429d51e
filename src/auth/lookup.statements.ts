import { agentJson } from '../agents/row.statements.ts';
import { arrayText } from '../database/array-text.ts';
import type { PreparedStatement } from '../database/statement.ts';
import type { KeyHashes, Scope } from './api-key.ts';

/** The input of a lookup: a key, and what is read together with it. */
export interface Lookup extends KeyHashes {
  /** The company in the query, a UUID; null without one. */
  readonly companyId: string | null;
  /** The agent to read, a UUID; null reads none. */
  readonly agentId: string | null;
  /** The client's address; null if a proxy passed on something else than an address. */
  readonly address: string | null;
  /** The scope that the key needs; the agent is only read with it. */
  readonly scope: Scope | undefined;
}

/** Milliseconds after which a key is looked up again before a write (docs/contract.md#authentication). */
export const longestAdmission = 1_000;

// Not `now()`, the time at which the transaction began: it may have waited for a lock since then, while the key expired.
const keyBy = (hash: string) => `
        SELECT k.*, CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= statement_timestamp() THEN 'expired' END AS ended,
               k.integration_id IS NOT NULL AND EXISTS (SELECT FROM integration_company g
                        WHERE g.company_id = q.company AND g.integration_id = k.integration_id) AS granted
          FROM api_key k WHERE k.hash = ${hash}`;

/** SQL for the time at which the statement reached the database, in milliseconds; the same within one statement. */
const statementTime = '(extract(epoch FROM statement_timestamp()) * 1000)::float8';

/**
 * SQL condition: the lookup of a key is recent enough to write (docs/contract.md#authentication). Evaluated in the writing
 * statement, by the database's clock, so that the wait for a connection counts too.
 * @param lookedUpAt SQL for the time of the lookup in milliseconds; null counts as recent: an operator has no key
 */
export const isRecent = (lookedUpAt: string) =>
  `(${statementTime} - ${lookedUpAt}::float8 > ${longestAdmission}) IS NOT TRUE`;

const octet = String.raw`(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const ipv4 = String.raw`${octet}(\.${octet}){3}(/(3[0-2]|[12]?\d))?`;
const hexGroup = '[0-9a-f]{1,4}';
const hexGroups = `(${hexGroup}:){7}${hexGroup}|(?!(.*:){8})(${hexGroup}:){1,6}(:|(:${hexGroup}){1,6})|:(:|(:${hexGroup}){1,7})`;
const ipv6 = String.raw`(${hexGroups})(/(12[0-8]|1[01]\d|[1-9]?\d))?`;

/**
 * SQL condition: a text can be cast to `inet`. A failed cast would fail the whole batch. False for IPv6 with an IPv4 address
 * at its end, because `src/http/address.ts` treats it as IPv4.
 */
const isInet = (text: string) => `${text} ~* '^(${ipv4}|${ipv6})$'`;

const isAllowed = `
        (k.allowed_ips = '{}' OR CASE WHEN ${isInet('q.address')} THEN EXISTS (
           SELECT FROM unnest(k.allowed_ips) AS allowed
            WHERE CASE WHEN ${isInet('allowed')} THEN q.address::inet <<= allowed::inet END) END)`;

/** The parameters of a lookup: each of them but the hash can be null. */
export const lookupValues = ({ hash, formerHash, companyId, agentId, address, scope }: Lookup): (string | null)[] => [
  hash,
  formerHash,
  companyId,
  agentId,
  address,
  scope ?? null,
];

/**
 * Selects one row for each lookup; `key` is null if there is none. The agent is read only if the key passes checks 2 to 4, 6 and
 * 7 (docs/contract.md#the-order-of-checks). PostgreSQL evaluates the condition of a CASE before its result, and LIMIT keeps the
 * planner from merging the subqueries. If the agent belongs to another company than the request acts for, only that fact is
 * selected: the time of a lookup must not depend on what another company has stored.
 *
 * LATERAL makes it one index scan for each hash and id. With a join, the planner would compare every key of a small table with
 * both hashes. Whether an agent is deleted is read from its row: a condition would allow a plan, made while there were few
 * agents, that reads the whole index of those that are not deleted. The time is in whole milliseconds, as `parseExact` treats
 * numbers of sixteen characters separately.
 * @param asked SQL for the lookups: rows `q` with hash, former hash (under the previous secret), company, agent to read, address
 *   of the caller and required scope
 */
const lookingUp = (asked: string) => `
  SELECT json_build_object('key', f.key, 'databaseTime', floor(${statementTime}), 'agentWasRead', coalesce(f."agentWasRead", false),
           'agent', CASE WHEN f."agentWasRead" THEN
             (SELECT CASE WHEN a.deleted_at IS NOT NULL THEN NULL WHEN a.company_id = f.company THEN ${agentJson('a')}
                          ELSE '"foreign"' END FROM agent a WHERE a.id = q.agent) END)::text AS json
    FROM ${asked}
    LEFT JOIN LATERAL (
      SELECT json_build_object(
               'id', k.id, 'companyId', k.company_id, 'integrationId', k.integration_id, 'scopes', k.scopes,
               'allowedIps', k.allowed_ips, 'perMinute', k.per_minute, 'perHour', k.per_hour,
               'ended', k.ended, 'suspended', k.suspended_at IS NOT NULL, 'granted', k.granted) AS key,
             q.agent IS NOT NULL AND k.ended IS NULL AND k.suspended_at IS NULL AND q.scope = ANY(k.scopes)
             AND (k.company_id IS NOT NULL OR k.granted) AND ${isAllowed} AS "agentWasRead",
             coalesce(k.company_id, q.company) AS company
        FROM (${keyBy('q.hash')}
        UNION ALL ${keyBy('q.former')}
        LIMIT 1) k
       LIMIT 1) f ON true`;

/** $1 to $6 are arrays, or `arrayText`s, of the `lookupValues` of each lookup. Selects the rows in this order. */
export const lookupSql = `${lookingUp(`
         unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
         WITH ORDINALITY AS q(hash, former, company, agent, address, scope, place)`)}
   ORDER BY q.place`;

/** $1 to $6 are the `lookupValues` of one lookup: with constants, PostgreSQL needs half the time. */
export const singleLookupSql = lookingUp(`
         (SELECT $1::text AS hash, $2::text AS former, $3::uuid AS company, $4::uuid AS agent, $5::text AS address,
                 $6::text AS scope) q`);

/** The lookups in one statement, one row for each in their order. */
export function lookupStatement(lookups: readonly Lookup[]): PreparedStatement {
  const asked = lookups.map(lookupValues);
  const [single = []] = asked;
  if (asked.length === 1) return { text: singleLookupSql, values: single };
  return {
    text: lookupSql,
    values: single.map((_, column) => arrayText(asked.map((values) => values[column] ?? null))),
  };
}
