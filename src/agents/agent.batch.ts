import type { Caller } from '../caller.ts';
import type { Query } from '../database/client.ts';
import { type Changed, committed, type Decide, type Folded, type Found, fold } from './agent.fold.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from './agent.row.ts';
import { changeSql, findSql } from './agent.statements.ts';

/** A change to be made: of which agent, by whom, and how to decide it. */
export interface Change {
  /** In lower case. */
  readonly id: string;
  /** A number that the agent may get: whether it is active is read with the agent. */
  readonly phoneNumberId: string | null;
  /** The agent as it was found since the request arrived; without it, it is read. */
  readonly readAhead?: { readonly agent: StoredAgent | undefined } | undefined;
  readonly by: Caller;
  readonly decide: Decide;
}

/** How a change ended; undefined when another change of its agent came first, or somebody holds the row. */
export type Ended = { readonly result: Changed } | { readonly error: unknown } | undefined;

/**
 * Carries out the changes of a batch: one read for those that need it, the decisions, one write.
 * @param written what is known to be committed of agents that were written lately; kept up to date
 * @returns how each change ended, in the order of the changes
 */
export async function carryOut(
  query: Query,
  changes: readonly Change[],
  written: Map<string, StoredAgent>,
): Promise<Ended[]> {
  const found = await findAll(query, changes);
  const folds = byAgent(changes).map(([id, ofAgent]) => {
    const questions = ofAgent.map((change) => ({ ...change, found: found.get(change) }));
    const newest = newestOf([written.get(id), ...questions.map((question) => question.found?.agent)]);
    return { id, ofAgent, ...fold(questions, newest) };
  });
  const writtenAt = await write(query, folds);
  const ended = new Map<Change, Ended>();
  for (const { id, ofAgent, ...folded } of folds) {
    const at = writtenAt.get(id);
    for (const [place, change] of ofAgent.entries()) ended.set(change, endOf(folded, place, at));
    if (folded.steps.length > 0) remember(written, id, folded, at);
  }
  return changes.map((change) => ended.get(change));
}

/** What is stored of each change's agent, read together where it was not read ahead or a number is asked about. */
async function findAll(query: Query, changes: readonly Change[]): Promise<Map<Change, Found | undefined>> {
  const isRead = ({ readAhead, phoneNumberId }: Change) => readAhead !== undefined && phoneNumberId === null;
  const found = new Map<Change, Found | undefined>();
  for (const change of changes) {
    const agent = change.readAhead?.agent;
    found.set(change, agent && { agent, numberIsActive: false });
  }
  const unread = changes.filter((change) => !isRead(change));
  if (unread.length === 0) return found;
  const parameters = [unread.map(({ id }) => id), unread.map(({ phoneNumberId }) => phoneNumberId)];
  const rows = await query<{ agent: AgentJson | null; numberIsActive: boolean }>(findSql, parameters);
  for (const [place, { agent, numberIsActive }] of rows.entries()) {
    const change = unread[place];
    if (change) found.set(change, agent ? { agent: toStoredAgent(agent), numberIsActive } : undefined);
  }
  return found;
}

/** Writes all steps together; returns when each agent was written, for those that were. */
async function write(query: Query, folds: readonly Folded[]): Promise<Map<string, Date>> {
  const steps = folds.flatMap((folded) => folded.steps);
  if (steps.length === 0) return new Map();
  const ids = [...new Set(steps.map(({ id }) => id))];
  const rows = await query<{ id: string; updatedAt: Date }>(changeSql, [ids, JSON.stringify(steps)]);
  return new Map(rows.map(({ id, updatedAt }) => [id, updatedAt]));
}

function endOf({ answers, steps }: Folded, place: number, writtenAt: Date | undefined): Ended {
  const answer = answers[place];
  // What was decided on a step that did not get written was decided on nothing.
  if (!answer || (answer.after > 0 && !writtenAt)) return undefined;
  if ('error' in answer) return { error: answer.error };
  const { agent, after, changedFields } = answer;
  return { result: { agent: writtenAt ? committed(agent, after, steps.length, writtenAt) : agent, changedFields } };
}

function remember(written: Map<string, StoredAgent>, id: string, { last, steps }: Folded, at: Date | undefined): void {
  // Deleted first, so that the map stays in the order of writing.
  written.delete(id);
  if (last && at) written.set(id, committed(last, steps.length, steps.length, at));
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

function newestOf(agents: readonly (StoredAgent | undefined)[]): StoredAgent | undefined {
  return agents.reduce(
    (newest, agent) => (agent && agent.version > (newest?.version ?? 0) ? agent : newest),
    undefined,
  );
}
