import { agentJson } from '../agents/row.statements.ts';
import type { KeyHashes, Scope } from './api-key.ts';

/** A key that a request came with, as far as the checks of a request need it. */
export interface FoundKey {
  readonly id: string;
  /** Of a company key; null for the key of an integration. */
  readonly companyId: string | null;
  /** Of a key of an integration; null for a company key. */
  readonly integrationId: string | null;
  readonly scopes: readonly string[];
  /** Its own rate limits; null is the server's, 0 is none. */
  readonly perMinute: number | null;
  readonly perHour: number | null;
  /** Addresses and CIDR blocks that may use the key; empty means any. */
  readonly allowedIps: readonly string[];
  /** Why it is valid no longer; null while it is. */
  readonly ended: 'revoked' | 'expired' | null;
  readonly suspended: boolean;
  /** Whether the key's integration manages the company that was asked about. */
  readonly granted: boolean;
}

/** What a request wants to know before its body is read. */
export interface Lookup extends KeyHashes {
  /** The company that the request names, a UUID; null asks about none. */
  readonly companyId: string | null;
  /** The agent that the request names, a UUID; null reads none. */
  readonly agentId: string | null;
  /** Where the request comes from; null when a proxy said something that is no address. */
  readonly address: string | null;
  /** What the key must be allowed to do; without it no agent is read. */
  readonly scope: Scope | undefined;
}

/** Milliseconds after which a key is looked up again before a write (docs/contract.md#authentication). */
export const longestAdmission = 1_000;

const keyBy = (hash: string) => `
        SELECT k.*, CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired' END AS ended,
               k.integration_id IS NOT NULL AND EXISTS (SELECT FROM integration_company g
                        WHERE g.company_id = q.company AND g.integration_id = k.integration_id) AS granted
          FROM api_key k WHERE k.hash = ${hash}`;

/** When a statement reached the database, in milliseconds of its clock: one value in all of the statement. */
const databaseTime = '(extract(epoch FROM statement_timestamp()) * 1000)::float8';

/**
 * Whether the lookup of a key is recent enough for a statement that writes (docs/contract.md#authentication). The statement judges it,
 * by the database's clock, so that it counts the wait for a connection too. Null is recent: it was judged already.
 */
export const isRecent = (lookedUpAt: string) =>
  `(${databaseTime} - ${lookedUpAt}::float8 > ${longestAdmission}) IS NOT TRUE`;

const octet = String.raw`(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const ipv4 = String.raw`${octet}(\.${octet}){3}(/(3[0-2]|[12]?\d))?`;
const group = '[0-9a-f]{1,4}';
const groups = `(${group}:){7}${group}|(?!(.*:){8})(${group}:){1,6}(:|(:${group}){1,6})|:(:|(:${group}){1,7})`;
const ipv6 = String.raw`(${groups})(/(12[0-8]|1[01]\d|[1-9]?\d))?`;

/**
 * An address or a CIDR block that PostgreSQL is sure to accept as `inet`: a cast of anything else would fail the whole
 * batch. IPv6 with an IPv4 address at its end is left out, because `src/auth/address.ts` takes it for IPv4.
 */
const isInet = (text: string) => `${text} ~* '^(${ipv4}|${ipv6})$'`;

const isAllowed = `
        (k.allowed_ips = '{}' OR CASE WHEN ${isInet('q.address')} THEN EXISTS (
           SELECT FROM unnest(k.allowed_ips) AS allowed
            WHERE CASE WHEN ${isInet('allowed')} THEN q.address::inet <<= allowed::inet END) END)`;

/**
 * $1 hashes of keys, $2 those under the secret before, or nulls, $3 companies that are asked about, or nulls, $4 agents
 * to be read, or nulls, $5 addresses of the callers, or nulls, $6 scopes that are needed, or nulls: in this order, a key
 * that is not there is null. An agent is read for a key alone that passes checks 2 to 4, 6 and 7 of the contract's section
 * 1. PostgreSQL evaluates a condition of CASE before its result; LIMIT keeps the planner from merging the two.
 *
 * One scan of an index for each hash and id: a join compares every key of a small table with both hashes. In a large one
 * it is the same.
 * The time is in whole milliseconds: `parseExact` would take care of a number of sixteen characters.
 */
export const lookupSql = `
  SELECT json_build_object('key', f.key, 'databaseTime', floor(${databaseTime}), 'agentWasRead', coalesce(f."agentWasRead", false),
           'agent', CASE WHEN f."agentWasRead" THEN
             (SELECT ${agentJson('a')} FROM agent a WHERE a.id = q.agent AND a.deleted_at IS NULL) END)::text AS json
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
         WITH ORDINALITY AS q(hash, former, company, agent, address, scope, place)
    LEFT JOIN LATERAL (
      SELECT json_build_object(
               'id', k.id, 'companyId', k.company_id, 'integrationId', k.integration_id, 'scopes', k.scopes,
               'allowedIps', k.allowed_ips, 'perMinute', k.per_minute, 'perHour', k.per_hour,
               'ended', k.ended, 'suspended', k.suspended_at IS NOT NULL, 'granted', k.granted) AS key,
             q.agent IS NOT NULL AND k.ended IS NULL AND k.suspended_at IS NULL AND q.scope = ANY(k.scopes)
             AND (k.company_id IS NOT NULL OR k.granted) AND ${isAllowed} AS "agentWasRead"
        FROM (${keyBy('q.hash')}
        UNION ALL ${keyBy('q.former')}
        LIMIT 1) k
       LIMIT 1) f ON true
   ORDER BY q.place`;
