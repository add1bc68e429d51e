import { isLockTimeout } from '../../database/failures.ts';
import type { Query } from '../../database/statement.ts';
import { ApiError } from '../../http/problems.ts';
import { timeOfStep } from './fold.ts';
import { keepStatement } from './statements.ts';
import type { Keeping } from './step.ts';

/** An answer to keep, with its final time. */
type FinalAnswer = Omit<Keeping, 'after' | 'steps'>;

/** Gives an answer its final time. @param writtenAt the time of the agent's write; undefined if it was not written */
export const finalAnswer = ({ after, steps, ...kept }: Keeping, writtenAt: Date | undefined): FinalAnswer => ({
  ...kept,
  updated: after > 0 && writtenAt ? timeOfStep(writtenAt, after, steps) : kept.updated,
});

/**
 * Stores answers for repeated requests, in the transaction that wrote the changes that they show.
 * @throws a unique violation (`isTaken`) if an answer is stored for the key; ApiError IDEMPOTENCY_KEY_IN_USE if another
 * transaction is storing one and does not end within 100 ms
 */
export async function keepAnswers(query: Query, answers: readonly FinalAnswer[]): Promise<void> {
  if (answers.length === 0) return;
  try {
    await query(keepStatement(answers));
  } catch (error) {
    if (isLockTimeout(error)) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
    throw error;
  }
}
