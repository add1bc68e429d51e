import type { Static } from '@sinclair/typebox';
import type { Caller } from '../../auth/caller.ts';
import { askOnce } from '../../database/ask-once.ts';
import type { Outcome } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import { jsonRowsOf } from '../../database/rows.ts';
import type { Query } from '../../database/statement.ts';
import type { Idempotency } from '../../http/idempotency-key.ts';
import { completeKept } from '../history/snapshot.ts';
import { foundRowSchema } from '../row.schema.ts';
import { type ReadAhead, type StoredAgent, toStoredAgent } from '../row.ts';
import type { Changed, Decide } from './decision.ts';
import { findStatement } from './find.statements.ts';
import { type Folded, fold, type PendingDecision, timeAfter } from './fold.ts';

/** A change to be made: the agent, the caller and the decision. */
export interface Change {
  /** In lower case. */
  readonly id: string;
  /** The phone number that the decision asks about; whether it is active is read with the agent. */
  readonly phoneNumberId: string | null;
  /** The agent if it was read after the request arrived; otherwise the batch reads it. */
  readonly readAhead?: ReadAhead | undefined;
  /** The Idempotency-Key of the request: an answer kept under it is replayed, else the new answer is kept. */
  readonly idempotency?: Idempotency | undefined;
  readonly by: Caller;
  readonly decide: Decide;
}

/** The span of the request that makes a change, if its trace is recorded. */
export const spanOf = ({ by }: Change) => by.span;

/** The stored state that a change is decided on. */
export type Read = ReadAhead & Pick<PendingDecision, 'numberIsActive' | 'kept'>;

/** What was read ahead, if that is enough to decide a change and this process has not written the agent since. */
export const readEnough = (
  { id, readAhead, phoneNumberId, idempotency }: Change,
  writes: RecentWrites,
): Read | undefined =>
  readAhead && writes.isCurrent(id, readAhead.readOrder) && phoneNumberId === null && idempotency === undefined
    ? { agent: readAhead.agent, numberIsActive: false, readOrder: readAhead.readOrder }
    : undefined;

const nothing: Read = { agent: undefined, numberIsActive: false, readOrder: 0 };

/** Reads the agent of each change in one statement, with the state of the phone number and the kept answer. */
export async function readAll(
  query: Query,
  writes: RecentWrites,
  changes: readonly Change[],
): Promise<Map<Change, Read>> {
  const readOrder = writes.beginRead();
  const found = await askOnce(changes, idOf, isSame, async (distinct) => {
    const rows = foundIn(await query(findStatement(distinct)));
    return await Promise.all(rows.map((row) => toRead(query, readOrder, row)));
  });
  return new Map(changes.map((change, place) => [change, found[place] ?? { ...nothing, readOrder }]));
}

const idOf = ({ id }: Change): string => id;

/** Whether two changes of one agent need the same row. */
const isSame = (one: Change, other: Change): boolean =>
  one.phoneNumberId === other.phoneNumberId &&
  one.idempotency?.key === other.idempotency?.key &&
  (one.idempotency === undefined || one.by.keyId === other.by.keyId);

const foundIn = jsonRowsOf(foundRowSchema);
type FoundRow = Static<typeof foundRowSchema>;

const toRead = async (query: Query, readOrder: number, { agent, numberIsActive, kept }: FoundRow): Promise<Read> => ({
  agent: agent ? toStoredAgent(agent) : undefined,
  numberIsActive,
  kept: kept ? await completeKept(query, kept) : undefined,
  readOrder,
});

export type FoldOfAgent = Folded & { readonly id: string; readonly changes: readonly Change[] };

/** Groups changes by agent and decides each group, in the order of arrival. */
export function foldByAgent(changes: readonly Change[], found: ReadonlyMap<Change, Read>): FoldOfAgent[] {
  return byAgent(changes).map(([id, ofAgent]) => {
    const decisions = ofAgent.map((change) => {
      // By name: `{ ...change, ...read }` takes four times as long, as V8 has no fast path for a second spread.
      const { decide, by, idempotency } = change;
      const { agent, numberIsActive, kept, readOrder } = found.get(change) ?? nothing;
      return { decide, by, idempotency, agent, numberIsActive, kept, readOrder };
    });
    return { id, changes: ofAgent, ...fold(decisions, lastRead(decisions)) };
  });
}

/** The agent from the latest read, even if its version is lower: the database may have been restored from a backup. */
function lastRead(reads: readonly ReadAhead[]): StoredAgent | undefined {
  let last: ReadAhead = nothing;
  for (const read of reads) if (read.readOrder > last.readOrder) last = read;
  return last.agent;
}

/**
 * The outcomes of changes. A change that depends on a step which was not written has none: its decision is void, retry it.
 * @param writtenAt the time of the write by agent id, for the agents that were written
 */
export function outcomesOf(
  folds: readonly FoldOfAgent[],
  writtenAt: ReadonlyMap<string, Date>,
): Map<Change, Outcome<Changed>> {
  const outcomes = new Map<Change, Outcome<Changed>>();
  for (const { id, changes, ...folded } of folds) {
    for (const [place, change] of changes.entries()) {
      const outcome = outcomeAt(folded, place, writtenAt.get(id));
      if (outcome) outcomes.set(change, outcome);
    }
  }
  return outcomes;
}

function outcomeAt(
  { outcomes, steps }: Folded,
  place: number,
  writtenAt: Date | undefined,
): Outcome<Changed> | undefined {
  const outcome = outcomes[place];
  if (!outcome || (outcome.after > 0 && !writtenAt)) return undefined;
  if ('error' in outcome) return { error: outcome.error };
  const { agent, after, ...rest } = outcome;
  const updatedAt = timeAfter(after, steps.length, writtenAt, agent.updatedAt);
  return { result: { ...rest, agent: { ...agent, updatedAt } } };
}

function byAgent(changes: readonly Change[]): [string, Change[]][] {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const ofAgent = groups.get(change.id);
    if (ofAgent) ofAgent.push(change);
    else groups.set(change.id, [change]);
  }
  return [...groups];
}
