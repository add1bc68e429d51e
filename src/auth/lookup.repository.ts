import { type AgentInPath, toStoredAgent } from '../agents/row.ts';
import { askOnce } from '../database/ask-once.ts';
import type { Database } from '../database/client.ts';
import { group } from '../database/group.ts';
import { recentWrites } from '../database/recent-writes.ts';
import { jsonRowsOf } from '../database/rows.ts';
import type { Query } from '../database/statement.ts';
import { timedOut } from '../http/problems.ts';
import { silent } from '../metrics/meter.ts';
import { type RequestSpan, untraced } from '../tracing/spans.ts';
import type { Admission, Caller } from './caller.ts';
import { type Lookup, longestAdmission, lookupStatement } from './lookup.statements.ts';
import { type FoundKey, lookupRowSchema } from './row.schema.ts';

export interface LookedUp extends AgentInPath {
  readonly key: FoundKey | undefined;
  /** Whether the agent was read. If the key would be refused, it is not, and `agent` is undefined. */
  readonly agentWasRead: boolean;
  /** The time of the lookup, in milliseconds on the clock of `performance.now()`. */
  readonly at: number;
  /** The same in milliseconds of the database's clock. */
  readonly databaseTime: number;
}

export type ApiKeyRepository = ReturnType<typeof apiKeyRepository>;

/**
 * Looks up the key of every request in the database. There is no cache: a revoked key or grant must end at once. Lookups
 * that arrive at the same time share one statement, which reads the agents too, to save a round trip.
 */
export function apiKeyRepository(database: Database, meter = silent, writes = recentWrites(), traced = untraced) {
  const find = group<QueuedLookup, LookedUp>({
    onBatch: (...batch) => meter.batch('keys', ...batch),
    onQueue: (left) => meter.queue('keys', left),
    isExpired: ({ deadline }) => deadline <= performance.now(),
    run: traced('lookup batch', spanOf, async (items) => {
      const readOrder = writes.beginRead();
      const lookups = items.map(({ lookup }) => lookup);
      return (await lookUpAll(database.query, lookups, readOrder)).map((result) => ({ result }));
    }),
  });

  return {
    /**
     * @param deadline after which the lookup is not begun, in milliseconds on the clock of `performance.now()`
     * @param span of the request, if its trace is recorded
     * @throws ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    lookUp: (lookup: Lookup, deadline: number, span?: RequestSpan): Promise<LookedUp> =>
      find({ lookup, deadline, span }),

    /**
     * Checks the key and the grant of a request again before it reads, if the last lookup is more than a second old.
     * @param deadline as of `lookUp`, like `span`
     * @throws the ApiError of a key or grant that has ended; ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    async confirm(admission: Admission, deadline: number, span?: RequestSpan): Promise<void> {
      if (isOutdated(admission)) renew(admission, await find({ lookup: admission.lookup, deadline, span }));
    },
  };
}

interface QueuedLookup {
  readonly lookup: Lookup;
  readonly deadline: number;
  readonly span: RequestSpan | undefined;
}

const spanOf = ({ span }: QueuedLookup) => span;

const rowsOfLookups = jsonRowsOf(lookupRowSchema);

function lookUpAll(query: Query, lookups: readonly Lookup[], readOrder: number): Promise<readonly LookedUp[]> {
  const at = performance.now();
  return askOnce(lookups, keyOf, isSame, async (distinct) => {
    const rows = rowsOfLookups(await query(lookupStatement(distinct)));
    return rows.map(({ key, agent, agentWasRead, databaseTime }) => {
      const isForeign = agent === 'foreign';
      const own = agent === null || isForeign ? undefined : toStoredAgent(agent);
      return { key: key ?? undefined, agentWasRead, agent: own, isForeign, readOrder, at, databaseTime };
    });
  });
}

const keyOf = ({ hash, agentId }: Lookup): string => agentId ?? hash;

/** Whether two lookups with one `keyOf`, and so of one agent, have the same result. */
const isSame = (one: Lookup, other: Lookup): boolean =>
  one.hash === other.hash &&
  one.formerHash === other.formerHash &&
  one.companyId === other.companyId &&
  one.address === other.address &&
  one.scope === other.scope;

/** Whether the last lookup of a key is more than a second ago, so that it must be repeated before a write. */
const isOutdated = ({ lookedUpAt }: Admission): boolean => performance.now() - lookedUpAt > longestAdmission;

/** When the first of these callers' keys was looked up, in milliseconds of the database's clock (`isRecent`). */
export const earliestLookup = (callers: readonly { readonly admission: Admission }[]): number =>
  Math.min(...callers.map(({ admission }) => admission.databaseTime));

/** Makes the next `refusals` look these keys up again, whatever this process's clock says: the database found them too old. */
export function outdate(callers: readonly { readonly admission: Admission }[]): void {
  for (const { admission } of callers) admission.lookedUpAt = Number.NEGATIVE_INFINITY;
}

/** What decides whether a request may still write. */
type Writer = Pick<Caller, 'admission' | 'deadline'>;

/** What decides whether a request may still read. */
type Reader = Pick<Caller, 'admission'>;

/**
 * Whether callers must be checked again (`refusals`) on the connection that writes. Without that check, the statement may reach
 * the database up to a second after the lookup (`isRecent`): this must not be after the deadline of the request.
 */
export const mustConfirm = ({ admission, deadline }: Writer): boolean =>
  isOutdated(admission) || deadline.left() <= longestAdmission;

/** The callers that may no longer write, each with its error. */
type Refused<By> = Map<By, unknown>;

/**
 * Checks callers again, directly before the statement that writes and after all that may wait: reads and locks. Lookups that are
 * more than a second old are repeated in one statement. A caller whose deadline has passed is refused: it was answered 503, and
 * what is written now could replace a later change that was acknowledged.
 * @param query of the connection that is going to write: waiting for another connection would make the result too old
 * @throws ApiError DATABASE_UNAVAILABLE
 */
export async function refusals<By extends Writer>(query: Query, callers: readonly By[]): Promise<Refused<By>> {
  const outdated = callers.filter(({ admission }) => isOutdated(admission));
  const refused: Refused<By> = outdated.length > 0 ? await lookUpAgain(query, outdated) : new Map();
  for (const caller of callers) if (caller.deadline.left() <= 0) refused.set(caller, timedOut());
  return refused;
}

async function lookUpAgain<By extends Reader>(query: Query, outdated: readonly By[]): Promise<Refused<By>> {
  const refused: Refused<By> = new Map();
  const lookups = outdated.map(({ admission }) => admission.lookup);
  // No agent is read, so the place of the read does not count.
  const found = await lookUpAll(query, lookups, 0);
  for (const [place, caller] of outdated.entries()) {
    try {
      renew(caller.admission, found[place]);
    } catch (error) {
      refused.set(caller, error);
    }
  }
  return refused;
}

/** Takes over a later lookup of the same key. @throws the ApiError of a key or grant that has ended */
function renew(admission: Admission, { key, at = 0, databaseTime = 0 }: Partial<LookedUp> = {}): void {
  admission.check(key);
  admission.lookedUpAt = at;
  admission.databaseTime = databaseTime;
}

/**
 * Checks one author again before a write, as `refusals` does; does nothing for an operator.
 * @param query of the connection that is going to write
 * @throws the ApiError of a key or grant that has ended; ApiError DATABASE_UNAVAILABLE, also if the deadline has passed
 */
export async function confirm(query: Query, by: Writer | { readonly operator: string }): Promise<void> {
  if ('operator' in by) return;
  for (const error of (await refusals(query, [by])).values()) throw error;
}

/**
 * Checks the key and the grant again before a later portion of an answer is read, if the last lookup is more than a second old.
 * Unlike `confirm`, it does not end with the deadline of the request: the answer has begun, and a slow client reads it for longer.
 * @throws the ApiError of a key or grant that has ended; ApiError DATABASE_UNAVAILABLE
 */
export async function confirmReader(query: Query, by: Reader): Promise<void> {
  if (!isOutdated(by.admission)) return;
  for (const error of (await lookUpAgain(query, [by])).values()) throw error;
}
