import { isLockTimeout } from '../../database/failures.ts';
import type { PreparedStatement, Query } from '../../database/statement.ts';
import { ApiError } from '../../http/problems.ts';
import { timeOfStep } from './fold.ts';
import type { Keeping } from './step.ts';

/** Gives an answer its final time. @param writtenAt the time of the agent's write; undefined if it was not written */
export const finalAnswer = ({ after, steps, ...kept }: Keeping, writtenAt: Date | undefined) => ({
  ...kept,
  updated: after > 0 && writtenAt ? timeOfStep(writtenAt, after, steps) : kept.updated,
});

/**
 * Runs a statement that stores answers for repeated requests, in the transaction that wrote the changes that they show.
 * @throws a unique violation (`isTaken`) if an answer is stored for the key; ApiError IDEMPOTENCY_KEY_IN_USE if another
 * transaction is storing one and does not end within the time limit of locks
 */
export async function keepAnswers(query: Query, statement: PreparedStatement): Promise<void> {
  try {
    await query(statement);
  } catch (error) {
    if (isLockTimeout(error)) throw new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error });
    throw error;
  }
}
