import { type AgentJson, type StoredAgent, toStoredAgent } from '../agents/agent.row.ts';
import { type Database, type Query, withinLimit } from '../database/client.ts';
import { group } from '../database/group.ts';
import { silent } from '../metrics/meter.ts';
import { type FoundKey, type Lookup, lookupSql } from './api-key.statements.ts';

export interface LookedUp {
  readonly key: FoundKey | undefined;
  /** Whether the agent was looked for: it never is for a key that is refused. */
  readonly agentWasRead: boolean;
  /** The agent, whoever owns it; undefined when it is not there or deleted, or was not looked for. */
  readonly agent: StoredAgent | undefined;
}

export type ApiKeyRepository = ReturnType<typeof apiKeyRepository>;

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
    run: async (lookups) => (await lookUpAll(database.query, lookups)).map((result) => ({ result })),
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

async function lookUpAll(query: Query, lookups: readonly Lookup[]): Promise<LookedUp[]> {
  const parameters = [
    lookups.map(({ hash }) => hash),
    lookups.map(({ formerHash }) => formerHash),
    lookups.map(({ companyId }) => companyId),
    lookups.map(({ agentId }) => agentId),
    lookups.map(({ address }) => address),
    lookups.map(({ scope }) => scope ?? null),
  ];
  const rows = await query<{ key: FoundKey | null; agentWasRead: boolean; agent: AgentJson | null }>(
    lookupSql,
    parameters,
  );
  return rows.map(({ key, agentWasRead, agent }) => ({
    key: key ?? undefined,
    agentWasRead,
    agent: agent ? toStoredAgent(agent) : undefined,
  }));
}
