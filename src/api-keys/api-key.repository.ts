import { type AgentJson, agentJson, type StoredAgent, toStoredAgent } from '../agents/agent.row.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { group } from '../database/group.ts';
import { silent } from '../metrics/meter.ts';
import type { KeyHashes } from './api-key.ts';

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
  /** Revoked or expired. */
  readonly ended: boolean;
  readonly suspended: boolean;
  /** Whether the key's integration manages the company that was asked about. */
  readonly granted: boolean;
}

/** What a request wants to know before its body is read. */
export interface Lookup extends KeyHashes {
  /** The company that the request names, a UUID; null asks about none. */
  readonly companyId: string | null;
  /** The agent that the request names, a UUID; null reads none ahead. */
  readonly agentId: string | null;
}

export interface LookedUp {
  readonly key: FoundKey | undefined;
  /** The agent, whoever owns it; undefined when it is not there or deleted. */
  readonly agent: StoredAgent | undefined;
}

export type ApiKeyRepository = ReturnType<typeof apiKeyRepository>;

const keyBy = (hash: string) => `
  SELECT json_build_object(
           'id', k.id, 'companyId', k.company_id, 'integrationId', k.integration_id, 'scopes', k.scopes,
           'allowedIps', k.allowed_ips, 'perMinute', k.per_minute, 'perHour', k.per_hour,
           'ended', k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= now(), false),
           'suspended', k.suspended_at IS NOT NULL,
           'granted', EXISTS (SELECT FROM integration_company g
                               WHERE g.company_id = q.company AND g.integration_id = k.integration_id))
    FROM api_key k WHERE k.hash = ${hash}`;

// A subquery for each hash and id: a join compares every key of a small table with both hashes. In a large one it is the same.
const lookupSql = `
  SELECT coalesce((${keyBy('q.hash')}), (${keyBy('q.former')})) AS key,
         (SELECT ${agentJson('a')} FROM agent a WHERE a.id = q.agent AND a.deleted_at IS NULL) AS agent
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[]) WITH ORDINALITY AS q(hash, former, company, agent, place)
   ORDER BY q.place`;

/**
 * Looks keys up in the database for every request: a revoked key or grant must not outlive its end in any cache. The
 * requests that arrive together ask in one statement, and with its key each asks for its agent, which saves a round trip.
 */
export function apiKeyRepository(database: Database, meter = silent) {
  const find = group<Lookup & { expired: boolean }, LookedUp>({
    onBatch: (...batch) => meter.batch('keys', ...batch),
    size: 32,
    waiting: 1_000,
    isExpired: ({ expired }) => expired,
    async run(lookups) {
      const parameters = [
        lookups.map(({ hash }) => hash),
        lookups.map(({ formerHash }) => formerHash),
        lookups.map(({ companyId }) => companyId),
        lookups.map(({ agentId }) => agentId),
      ];
      const rows = await database.query<{ key: FoundKey | null; agent: AgentJson | null }>(lookupSql, parameters);
      return rows.map(({ key, agent }) => ({
        result: { key: key ?? undefined, agent: agent ? toStoredAgent(agent) : undefined },
      }));
    },
  });

  return {
    /** @throws ApiError OVERLOADED, DATABASE_UNAVAILABLE */
    lookUp(lookup: Lookup): Promise<LookedUp> {
      const waiting = { ...lookup, expired: false };
      return withinLimit(find(waiting), () => {
        waiting.expired = true;
      });
    },
  };
}
