import { isLockTimeout } from '../../database/failures.ts';
import { ApiError } from '../../http/problems.ts';
import { timeOfStep } from './fold.ts';
import type { Keeping } from './step.ts';

/** Gives an answer its final time. @param writtenAt the time of the agent's write; undefined if it was not written */
export const finalAnswer = ({ after, steps, ...kept }: Keeping, writtenAt: Date | undefined) => ({
  ...kept,
  updated: after > 0 && writtenAt ? timeOfStep(writtenAt, after, steps) : kept.updated,
});

/**
 * Waits for a statement that may wait for a request with the same Idempotency-Key.
 * @throws ApiError IDEMPOTENCY_KEY_IN_USE if it waited longer than the time limit of locks; the statement's other errors
 */
export async function waitForTwin(statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    throw isLockTimeout(error) ? new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error }) : error;
  }
}
