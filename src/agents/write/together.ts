import { earliestLookup, mustConfirm, outdate, refusals } from '../../auth/lookup.repository.ts';
import type { Database } from '../../database/client.ts';
import { isTaken, wasUndone } from '../../database/failures.ts';
import type { Outcome } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Query } from '../../database/statement.ts';
import type { RetryReason } from '../../metrics/meter.ts';
import { type Change, type FoldOfAgent, foldByAgent, outcomesOf, type Read, readAll, readEnough } from './batch.ts';
import type { Changed } from './decision.ts';
import { idempotencyIndex } from './kept.statements.ts';
import { changeAndKeepStatement, changeStatement } from './statements.ts';
import { type Written, writtenRows, writtenTimes } from './written.ts';

/**
 * Milliseconds after which the statement without events is tried first again. A guess that saves time: that statement
 * writes nothing if a company has an endpoint.
 */
const withEventsFor = 60_000;

type RunAlone = (change: Change, why?: RetryReason) => Promise<Changed>;

/**
 * Makes the function that carries out the changes of a batch: one read for those that need it, the decisions, one write. It
 * returns one outcome for each change, in their order.
 * @param alone runs a change that was left out of the batch or not written, or all changes of a batch that was rolled back
 */
export function changesTogether(database: Database, writes: RecentWrites, alone: RunAlone) {
  /** When a batch last had a company with a webhook endpoint, in milliseconds on the clock of `performance.now()`. */
  let lastEndpointAt = Number.NEGATIVE_INFINITY;

  /** Undefined if nothing was written because a key was looked up too long ago (`writtenTimes`). */
  async function writeSteps(query: Query, folds: readonly FoldOfAgent[]): Promise<Map<string, Date> | undefined> {
    const steps = folds.flatMap((folded) => folded.steps);
    const keeping = folds.flatMap((folded) => folded.keeping);
    if (steps.length === 0 && keeping.length === 0) return new Map();
    const lookedUpAt = earliestLookup(folds.flatMap(({ changes }) => changes.map(({ by }) => by)));
    const writeIn = async (mode: 'withEvents' | 'withoutEvents') => {
      const statement =
        keeping.length > 0
          ? changeAndKeepStatement(mode, steps, lookedUpAt, keeping)
          : changeStatement(mode, steps, lookedUpAt);
      return writtenRows(await query(statement));
    };
    const isWithoutEvents = performance.now() - lastEndpointAt > withEventsFor;
    let rows = await writeIn(isWithoutEvents ? 'withoutEvents' : 'withEvents');
    if (rows.some((row) => row.hasEndpoint)) {
      lastEndpointAt = performance.now();
      rows = await writeIn('withEvents');
    }
    return writtenTimes(rows);
  }

  /**
   * Decides and writes. If a key was looked up more than a second ago, or the deadline of a change is near, the callers are first
   * checked again on the connection that writes, so that the wait for that connection counts. This is repeated if the statement
   * came too late to write. Only the changes of callers that are refused fail then.
   */
  async function write(changes: readonly Change[], found: ReadonlyMap<Change, Read>): Promise<Written> {
    // All callers, also those whose change writes nothing, such as a replay.
    const callers = changes.map(({ by }) => by);
    const tryOn = async (query: Query): Promise<Written | undefined> => {
      const refused = await refusals(query, callers);
      const allowed = changes.filter(({ by }) => !refused.has(by));
      const folds = writableTogether(foldByAgent(allowed, found));
      const writtenAt = await writeSteps(query, folds);
      if (writtenAt) return { folds, refused, writtenAt };
      outdate(callers);
      return undefined;
    };
    const writeOn = async (query: Query): Promise<Written> => (await tryOn(query)) ?? (await writeOn(query));
    const written = callers.some(mustConfirm) ? undefined : await tryOn(database.query);
    return written ?? (await database.transaction(writeOn));
  }

  async function attempt(changes: readonly Change[]): Promise<Outcome<Changed>[]> {
    const found = await readMissing(database.query, writes, changes);
    const { folds, refused, writtenAt } = await write(changes, found);
    for (const id of writtenAt.keys()) writes.wrote(id);
    const outcomes = outcomesOf(folds, writtenAt);
    const tried = new Set(folds.flatMap((folded) => folded.changes));
    return changes.map((change) => {
      if (refused.has(change.by)) return { error: refused.get(change.by) };
      return outcomes.get(change) ?? { result: tried.has(change) ? alone(change, 'lost') : alone(change) };
    });
  }

  /**
   * If a concurrent request stored an answer under the Idempotency-Key of a change after the batch was read, the statement is
   * rolled back. A second attempt finds that answer. If a key fails the second one too, for example because its answer is
   * expired, which reads ignore, changes without a key still run together: no key of theirs can fail.
   */
  async function run(changes: readonly Change[], isSecond = false): Promise<Outcome<Changed>[]> {
    try {
      return await attempt(changes);
    } catch (error) {
      if (!wasUndone(error)) throw error;
      const next = isSecond ? changes.filter(({ idempotency }) => !idempotency) : changes;
      const outcomes = isTaken(error, idempotencyIndex) && next.length > 0 ? await run(next, true) : [];
      return changes.map((change) => outcomes[next.indexOf(change)] ?? { result: alone(change, 'undone') });
    }
  }

  return (changes: readonly Change[]) => run(changes);
}

/**
 * The folds that can be written in one statement. The others have to run alone: those that give a phone number, and those with
 * an Idempotency-Key that another fold of the batch has. Two answers under one key would roll back the whole statement.
 */
function writableTogether(folds: readonly FoldOfAgent[]): FoldOfAgent[] {
  const taken = new Set<string>();
  return folds.filter((folded) => {
    const keys = folded.keeping.map(({ api_key, key }) => `${api_key} ${key}`);
    if (givesNumber(folded) || keys.some((key) => taken.has(key))) return false;
    for (const key of keys) taken.add(key);
    return true;
  });
}

/**
 * Whether changes of an agent give it a phone number. They are not written together: nothing would keep the number from being
 * deactivated between the read and the write.
 */
const givesNumber = ({ steps }: FoldOfAgent): boolean =>
  steps.some(
    ({ changed, content }) => changed.includes('companyPhoneNumberId') && content.companyPhoneNumberId !== null,
  );

/**
 * The stored state for each change. Changes whose read ahead is not enough are read in one statement: the agent was not
 * read ahead, was written since, or the change needs a phone number or a kept answer. Both must come from the same
 * snapshot as the agent, or a retry looks like a conflict.
 */
async function readMissing(
  query: Query,
  writes: RecentWrites,
  changes: readonly Change[],
): Promise<ReadonlyMap<Change, Read>> {
  const found = new Map<Change, Read>();
  for (const change of changes) {
    const read = readEnough(change, writes);
    if (read) found.set(change, read);
  }
  const missing = changes.filter((change) => !found.has(change));
  if (missing.length > 0) for (const [change, read] of await readAll(query, writes, missing)) found.set(change, read);
  return found;
}
