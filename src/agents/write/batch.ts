import type { Caller } from '../../auth/caller.ts';
import { askOnce } from '../../database/ask-once.ts';
import type { Query } from '../../database/client.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import { parseExact } from '../../http/exact-numbers.ts';
import type { Idempotency } from '../../http/idempotency-key.ts';
import { completeKept } from '../history/snapshot.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from '../row.ts';
import type { Changed, Decide } from './decision.ts';
import { committed, type Folded, fold, type Question } from './fold.ts';
import type { KeptJson } from './replay.ts';
import { findSql } from './statements.ts';

/** An agent as it was found since the request arrived, whoever owns it. */
export interface ReadAhead {
  /** Undefined when it is not there or deleted. */
  readonly agent: StoredAgent | undefined;
  /** When it was read (`recentWrites`). */
  readonly readAt: number;
}

/** A change to be made: of which agent, by whom, and how to decide it. */
export interface Change {
  /** In lower case. */
  readonly id: string;
  /** A number that the agent may get: whether it is active is read with the agent. */
  readonly phoneNumberId: string | null;
  /** The agent as it was found since the request arrived; without it, it is read. */
  readonly readAhead?: ReadAhead | undefined;
  /** That the request may be sent again: its answer is kept, and looked for. */
  readonly idempotency?: Idempotency | undefined;
  readonly by: Caller;
  readonly decide: Decide;
  /** When its caller is answered at the latest, in milliseconds as `performance.now()` counts. */
  readonly deadline: number;
}

/** What was read for a change, and when. */
export type Read = ReadAhead & Pick<Question, 'numberIsActive' | 'kept'>;

/** Whether all that a change is decided on was read ahead, and not written by this process since. */
export const isRead = ({ id, readAhead: read, phoneNumberId, idempotency }: Change, writes: RecentWrites): boolean =>
  read !== undefined && writes.isCurrent(id, read.readAt) && phoneNumberId === null && idempotency === undefined;

export const readAhead = (change: Change): Read => ({ ...nothing, ...change.readAhead });

const nothing: Read = { agent: undefined, numberIsActive: false, readAt: 0 };

/** Reads what is stored of each change's agent, in one statement. */
export async function readAll(
  query: Query,
  writes: RecentWrites,
  changes: readonly Change[],
): Promise<Map<Change, Read>> {
  const readAt = writes.read();
  const found = await askOnce(changes, wantedBy, async (distinct) => {
    const rows = await query<{ found: string }>(findSql, [
      distinct.map(({ id }) => id),
      distinct.map(({ phoneNumberId }) => phoneNumberId),
      distinct.map(({ by, idempotency }) => (idempotency ? by.keyId : null)),
      distinct.map(({ idempotency }) => idempotency?.key ?? null),
    ]);
    return await Promise.all(rows.map((row) => toRead(query, readAt, parseExact(row.found))));
  });
  return new Map(changes.map((change, place) => [change, found[place] ?? { ...nothing, readAt }]));
}

/** None of these holds a space. */
const wantedBy = ({ id, phoneNumberId, by, idempotency }: Change): string =>
  idempotency ? `${id} ${phoneNumberId} ${by.keyId} ${idempotency.key}` : `${id} ${phoneNumberId}`;

const toRead = async (query: Query, readAt: number, { agent, numberIsActive, kept }: FoundRow): Promise<Read> => ({
  agent: agent ? toStoredAgent(agent) : undefined,
  numberIsActive,
  kept: kept ? await completeKept(query, kept) : undefined,
  readAt,
});

/** What `findSql` finds for one agent. */
export interface FoundRow {
  readonly agent: AgentJson | null;
  readonly numberIsActive: boolean;
  readonly kept: KeptJson | null;
}

export type FoldOfAgent = Folded & { readonly id: string; readonly changes: readonly Change[] };

/** Decides changes, agent by agent. */
export function foldByAgent(changes: readonly Change[], found: ReadonlyMap<Change, Read>): FoldOfAgent[] {
  return byAgent(changes).map(([id, ofAgent]) => {
    const questions = ofAgent.map((change) => ({ ...change, ...(found.get(change) ?? nothing) }));
    return { id, changes: ofAgent, ...fold(questions, lastRead(questions)) };
  });
}

/** The agent as it was read last: also where that is an older version, of a database that went back. */
function lastRead(reads: readonly ReadAhead[]): StoredAgent | undefined {
  let last: ReadAhead = nothing;
  for (const read of reads) if (read.readAt > last.readAt) last = read;
  return last.agent;
}

/** How a change ended. */
export type End = { readonly result: Changed } | { readonly error: unknown };

/**
 * How changes ended, without those whose agent was not written: their decisions are void.
 * @param writtenAt when each agent was written, for those that were
 */
export function endsOf(folds: readonly FoldOfAgent[], writtenAt: ReadonlyMap<string, Date>): Map<Change, End> {
  const ends = new Map<Change, End>();
  for (const { id, changes, ...folded } of folds) {
    for (const [place, change] of changes.entries()) {
      const end = endOf(folded, place, writtenAt.get(id));
      if (end) ends.set(change, end);
    }
  }
  return ends;
}

function endOf({ answers, steps }: Folded, place: number, writtenAt: Date | undefined): End | undefined {
  const answer = answers[place];
  if (!answer || (answer.after > 0 && !writtenAt)) return undefined;
  if ('error' in answer) return { error: answer.error };
  const { agent, after, ...rest } = answer;
  return { result: { ...rest, agent: writtenAt ? committed(agent, after, steps.length, writtenAt) : agent } };
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
