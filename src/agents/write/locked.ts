import { earliestLookup, outdate, refusals } from '../../auth/lookup.repository.ts';
import type { Outcome } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Query } from '../../database/statement.ts';
import { type Change, foldByAgent, outcomesOf, type Read, readAll } from './batch.ts';
import type { Changed } from './decision.ts';
import { timeAfter } from './fold.ts';
import { waitForKey } from './keep.ts';
import { changeStatement, keepStatement } from './statements.ts';
import { type Written, writtenRows, writtenTimes } from './written.ts';

/**
 * Decides and writes changes of one agent, whose row the transaction has locked.
 * @returns one outcome for each change, in their order
 */
export async function writeLocked(
  query: Query,
  writes: RecentWrites,
  id: string,
  changes: readonly Change[],
): Promise<(Outcome<Changed> | undefined)[]> {
  const found = await readAll(query, writes, changes);
  const { folds, refused, writtenAt } = await writeRead(query, changes, found);
  const keeping = folds.flatMap((folded) => folded.keeping);
  const answers = keeping.map(({ after, steps, ...kept }) => ({
    ...kept,
    updated: timeAfter(after, steps, writtenAt.get(id), kept.updated),
  }));
  if (answers.length > 0) await waitForKey(query(keepStatement(answers)));
  const outcomes = outcomesOf(folds, writtenAt);
  return changes.map((change) => (refused.has(change.by) ? { error: refused.get(change.by) } : outcomes.get(change)));
}

async function writeRead(query: Query, changes: readonly Change[], found: ReadonlyMap<Change, Read>): Promise<Written> {
  // Directly before the write: the time of the read counts too.
  const refused = await refusals(
    query,
    changes.map(({ by }) => by),
  );
  const allowed = changes.filter(({ by }) => !refused.has(by));
  const folds = foldByAgent(allowed, found);
  const steps = folds.flatMap((folded) => folded.steps);
  if (steps.length === 0) return { folds, refused, writtenAt: new Map() };
  const callers = allowed.map(({ by }) => by);
  const writtenAt = writtenTimes(
    writtenRows(await query(changeStatement('withEvents', steps, earliestLookup(callers)))),
  );
  if (!writtenAt) {
    outdate(callers);
    return await writeRead(query, changes, found);
  }
  // Must come before answers are kept: they would show a change that was not written.
  if (writtenAt.size === 0) throw new Error('a locked row was changed by another transaction');
  return { folds, refused, writtenAt };
}
