import type { Caller } from '../../auth/caller.ts';
import { isOutdated, refusals } from '../../auth/lookup.ts';
import type { Database, Query } from '../../database/client.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Idempotency } from '../../http/idempotency-key.ts';
import { completeKept } from '../history/snapshot.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from '../row.ts';
import { type Changed, committed, type Decide, type Folded, fold, type Question } from './fold.ts';
import { asJson } from './keep.ts';
import type { KeptAnswer, KeptJson } from './replay.ts';
import { changeSql, findSql, keepingChangeSql } from './statements.ts';

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
}

/** How a change ended; undefined when another change of its agent came first, or somebody holds the row. */
export type Ended = { readonly result: Changed } | { readonly error: unknown } | undefined;

/** Statements: each on any connection, or several on one. */
export type Connections = Pick<Database, 'query' | 'transaction'>;

/**
 * Carries out the changes of a batch: one read for those that need it, the decisions, one write. The keys that were looked
 * up more than a second ago are confirmed on the connection that writes, when it is there: a wait for it, or for a row
 * lock before, must not let a key write that has ended meanwhile. Such a change fails alone.
 * @param writes told of the agents that were written; an agent that was read before its last write is read again
 * @returns how each change ended, in the order of the changes
 */
export async function carryOut(
  database: Connections,
  changes: readonly Change[],
  writes: RecentWrites,
): Promise<Ended[]> {
  const found = await findAll(database.query, changes, writes);
  const foldAll = (some: readonly Change[]) =>
    byAgent(some).map(([id, ofAgent]) => {
      const questions = ofAgent.map((change) => ({ ...change, ...(found.get(change) ?? nothing) }));
      return { id, ofAgent, ...fold(questions, lastRead(questions)) };
    });
  const { folds, refused, writtenAt } = await confirmAndWrite(database, changes, foldAll);
  const ended = new Map<Change, Ended>();
  for (const { id, ofAgent, ...folded } of folds) {
    const at = writtenAt.get(id);
    for (const [place, change] of ofAgent.entries()) ended.set(change, endOf(folded, place, at));
    if (at) writes.wrote(id);
  }
  return changes.map((change) => (refused.has(change.by) ? { error: refused.get(change.by) } : ended.get(change)));
}

type FoldOfAgent = Folded & { readonly id: string; readonly ofAgent: readonly Change[] };

/** Writes what the callers who may still write have decided; what the others have decided is left out. */
async function confirmAndWrite(
  database: Connections,
  changes: readonly Change[],
  foldAll: (some: readonly Change[]) => FoldOfAgent[],
): Promise<{ folds: FoldOfAgent[]; refused: ReadonlyMap<Caller, unknown>; writtenAt: Map<string, Date> }> {
  const folds = foldAll(changes);
  const callers = changes.map(({ by }) => by);
  // Also a key that gets an answer and writes nothing, such as a replay, is confirmed.
  if (!callers.some(({ admission }) => isOutdated(admission))) {
    const lookedUpAt = Math.min(...callers.map(({ admission }) => admission.databaseTime));
    return { folds, refused: new Map(), writtenAt: await write(database.query, folds, lookedUpAt) };
  }
  return await database.transaction(async (query) => {
    const refused = await refusals(query, callers);
    const allowed = refused.size === 0 ? folds : foldAll(changes.filter(({ by }) => !refused.has(by)));
    return { folds: allowed, refused, writtenAt: await write(query, allowed, null) };
  });
}

const nothing: Read = { agent: undefined, numberIsActive: false, readAt: 0 };

/** What was read for a change, and when. */
interface Read extends ReadAhead, Pick<Question, 'numberIsActive'> {
  readonly kept?: KeptAnswer | undefined;
}

/**
 * What is stored of each change's agent, read together where it was not read ahead, a number is asked about, or an answer
 * may be kept: the last two as of the same moment as the agent, else a twin's change could be taken for somebody's.
 */
async function findAll(query: Query, changes: readonly Change[], writes: RecentWrites): Promise<Map<Change, Read>> {
  const isRead = ({ id, readAhead, phoneNumberId, idempotency }: Change) =>
    readAhead && writes.isCurrent(id, readAhead.readAt) && phoneNumberId === null && idempotency === undefined;
  const found = new Map<Change, Read>();
  for (const change of changes) found.set(change, { ...nothing, ...change.readAhead });
  const unread = changes.filter((change) => !isRead(change));
  if (unread.length === 0) return found;
  const readAt = writes.read();
  for (const [place, row] of (await query<FoundRow>(findSql, findParameters(unread))).entries()) {
    const change = unread[place];
    if (change) found.set(change, { ...(await toRead(query, row)), readAt });
  }
  return found;
}

interface FoundRow {
  readonly agent: AgentJson | null;
  readonly numberIsActive: boolean;
  readonly kept: KeptJson | null;
}

const findParameters = (changes: readonly Change[]) => [
  changes.map(({ id }) => id),
  changes.map(({ phoneNumberId }) => phoneNumberId),
  changes.map(({ by, idempotency }) => (idempotency ? by.keyId : null)),
  changes.map(({ idempotency }) => idempotency?.key ?? null),
];

async function toRead(query: Query, { agent, numberIsActive, kept }: FoundRow): Promise<Omit<Read, 'readAt'>> {
  return {
    agent: agent ? toStoredAgent(agent) : undefined,
    numberIsActive,
    kept: kept ? await completeKept(query, kept) : undefined,
  };
}

/** Writes all steps together; returns when each agent was written, for those that were. */
async function write(query: Query, folds: readonly Folded[], lookedUpAt: number | null): Promise<Map<string, Date>> {
  const steps = folds.flatMap((folded) => folded.steps);
  const keeping = folds.flatMap((folded) => folded.keeping);
  if (steps.length === 0 && keeping.length === 0) return new Map();
  const ids = [...new Set(steps.map(({ id }) => id))];
  const [sql, parameters] =
    keeping.length > 0
      ? [keepingChangeSql, [ids, JSON.stringify(steps), lookedUpAt, JSON.stringify(keeping.map(asJson))]]
      : [changeSql, [ids, JSON.stringify(steps), lookedUpAt]];
  const rows = await query<{ id: string; updatedAt: Date }>(sql, parameters);
  return new Map(rows.map(({ id, updatedAt }) => [id, updatedAt]));
}

function endOf({ answers, steps }: Folded, place: number, writtenAt: Date | undefined): Ended {
  const answer = answers[place];
  // What was decided on a step that did not get written was decided on nothing.
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

/** The agent as it was read last: also where that is an older version, of a database that went back. */
function lastRead(reads: readonly ReadAhead[]): StoredAgent | undefined {
  let last: ReadAhead = nothing;
  for (const read of reads) if (read.readAt > last.readAt) last = read;
  return last.agent;
}
