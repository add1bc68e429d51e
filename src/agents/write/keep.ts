import type { Query } from '../../database/client.ts';
import { isLockTimeout } from '../../database/failures.ts';
import { stringifyExact } from '../../http/exact-numbers.ts';
import { ApiError } from '../../http/problems.ts';
import { toAgentJson } from '../row.ts';
import { timeOfStep } from './fold.ts';
import { keepSql } from './statements.ts';
import type { Keeping } from './step.ts';

/** An answer whose change is written in the same transaction. */
export type Answered = Omit<Keeping, 'after' | 'steps'>;

export const asJson = <Kept extends Answered>(kept: Kept) => ({ ...kept, agent: toAgentJson(kept.agent) });

/** @param writtenAt when the agent was written, where it was */
export const answered = ({ after, steps, ...kept }: Keeping, writtenAt: Date | undefined): Answered => ({
  ...kept,
  updated: after > 0 && writtenAt ? timeOfStep(writtenAt, after, steps) : kept.updated,
});

/**
 * Keeps answers, in a transaction that has written what they show.
 * @throws what `isTaken` tells of a key whose answer is kept already; ApiError IDEMPOTENCY_KEY_IN_USE when another request
 * holds the key and did not end in time
 */
export async function keepAnswers(query: Query, answers: readonly Answered[]): Promise<void> {
  if (answers.length === 0) return;
  try {
    await query(keepSql, [stringifyExact(answers.map(asJson))]);
  } catch (error) {
    if (isLockTimeout(error)) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
    throw error;
  }
}
