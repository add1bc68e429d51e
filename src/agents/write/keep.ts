import type { Caller } from '../../auth/caller.ts';
import { isLockTimeout } from '../../database/failures.ts';
import { ApiError } from '../../http/problems.ts';

/** A request is not tried again in the last milliseconds before its deadline: the attempt might not end in time. */
export const lastTry = 400;

/** Whether less time is left than a lock timeout (1 s) and `lastTry` take: an attempt then waits for locks 100 ms at a time. */
export const mustHurry = ({ deadline }: Pick<Caller, 'deadline'>): boolean => deadline.left() <= 1_000 + lastTry;

/**
 * Waits for a statement that another request with the same Idempotency-Key may hold up, such as one that keeps an answer.
 * @throws ApiError IDEMPOTENCY_KEY_IN_USE if the lock is still held after the time limit of locks; otherwise what the statement
 * throws: a unique violation (`isTaken`) if an answer is kept for the key already
 */
export async function waitForKey(statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    throw isLockTimeout(error) ? new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error }) : error;
  }
}
