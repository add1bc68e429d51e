import { type AgentJson, type StoredAgent, toStoredAgent } from '../agents/row.ts';
import { askOnce } from '../database/ask-once.ts';
import type { Database, Query } from '../database/client.ts';
import { group } from '../database/group.ts';
import { recentWrites } from '../database/recent-writes.ts';
import { parseExact } from '../http/exact-numbers.ts';
import { silent } from '../metrics/meter.ts';
import type { Admission } from './caller.ts';
import { type FoundKey, type Lookup, longestAdmission, lookupSql } from './lookup.statements.ts';

export interface LookedUp {
  readonly key: FoundKey | undefined;
  /** Whether the agent was looked for: it never is for a key that is refused. */
  readonly agentWasRead: boolean;
  /** The agent, whoever owns it; undefined when it is not there or deleted, or was not looked for. */
  readonly agent: StoredAgent | undefined;
  /** The place of the lookup in the order of this process's reads and writes. */
  readonly readAt: number;
  /** When the database was asked, in milliseconds as `performance.now()` counts. */
  readonly at: number;
  /** The same in milliseconds of the database's clock. */
  readonly databaseTime: number;
}

export type ApiKeyRepository = ReturnType<typeof apiKeyRepository>;

/**
 * Looks keys up in the database for every request: a revoked key or grant must not outlive its end in any cache. The
 * requests that arrive together ask in one statement, and with its key each asks for its agent, which saves a round trip.
 */
export function apiKeyRepository(database: Database, meter = silent, writes = recentWrites()) {
  const find = group<{ readonly lookup: Lookup; readonly deadline: number }, LookedUp>({
    onBatch: (...batch) => meter.batch('keys', ...batch),
    isExpired: ({ deadline }) => deadline <= performance.now(),
    run: async (items) => {
      const readAt = writes.read();
      const found = await lookUpAll(
        database.query,
        items.map(({ lookup }) => lookup),
      );
      return found.map((each) => ({ result: { ...each, readAt } }));
    },
  });

  return {
    /**
     * @param deadline past which the lookup need not begin, in milliseconds as `performance.now()` counts
     * @throws ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    lookUp: (lookup: Lookup, deadline: number): Promise<LookedUp> => find({ lookup, deadline }),
  };
}

function lookUpAll(query: Query, lookups: readonly Lookup[]): Promise<readonly Omit<LookedUp, 'readAt'>[]> {
  const at = performance.now();
  return askOnce(lookups, wantedBy, async (distinct) => {
    const rows = await query<{ json: string }>(lookupSql, [
      distinct.map(({ hash }) => hash),
      distinct.map(({ formerHash }) => formerHash),
      distinct.map(({ companyId }) => companyId),
      distinct.map(({ agentId }) => agentId),
      distinct.map(({ address }) => address),
      distinct.map(({ scope }) => scope ?? null),
    ]);
    return rows.map(({ json }) => {
      const { key, agent, ...row } = parseExact<Found>(json);
      return { ...row, key: key ?? undefined, agent: agent ? toStoredAgent(agent) : undefined, at };
    });
  });
}

/** None of these holds a space. */
const wantedBy = ({ hash, formerHash, companyId, agentId, address, scope }: Lookup): string =>
  `${hash} ${formerHash} ${companyId} ${agentId} ${address} ${scope}`;

interface Found extends Pick<LookedUp, 'agentWasRead' | 'databaseTime'> {
  readonly key: FoundKey | null;
  readonly agent: AgentJson | null;
}

/** Whether a key must be looked up again before its request writes. */
export const isOutdated = ({ lookedUpAt }: Admission): boolean => performance.now() - lookedUpAt > longestAdmission;

/**
 * Looks the keys up again that were looked up more than a second ago, in one statement; the others cost nothing.
 * @param query of the connection that is going to write: a wait for another one would outdate the answer
 * @returns the error of each caller who may write no longer
 * @throws ApiError DATABASE_UNAVAILABLE
 */
export async function refusals<Caller extends { readonly admission: Admission }>(
  query: Query,
  callers: readonly Caller[],
): Promise<Map<Caller, unknown>> {
  const refused = new Map<Caller, unknown>();
  const outdated = callers.filter(({ admission }) => isOutdated(admission));
  if (outdated.length === 0) return refused;
  const found = await lookUpAll(
    query,
    outdated.map(({ admission }) => admission.lookup),
  );
  for (const [place, caller] of outdated.entries()) {
    try {
      caller.admission.check(found[place]?.key);
      caller.admission.lookedUpAt = found[place]?.at ?? 0;
      caller.admission.databaseTime = found[place]?.databaseTime ?? 0;
    } catch (error) {
      refused.set(caller, error);
    }
  }
  return refused;
}

/**
 * Looks the key of an author up again, where that was more than a second ago.
 * @param query of the connection that is going to write
 * @throws the error of a key or grant that has ended; ApiError DATABASE_UNAVAILABLE
 */
export async function confirm(
  query: Query,
  by: { readonly admission: Admission } | { readonly operator: string },
): Promise<void> {
  if ('operator' in by) return;
  for (const error of (await refusals(query, [by])).values()) throw error;
}
