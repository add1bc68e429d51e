import type { OwnerCaller } from '../auth/caller.ts';
import { isLockTimeout } from '../database/failures.ts';
import { rowsOf } from '../database/rows.ts';
import type { Query } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { ApiError } from '../http/problems.ts';
import { keptStatement } from './kept.statements.ts';
import { keptRowSchema } from './row.schema.ts';

/** The result of a request: the id of the endpoint, and the answer without the signing secret. */
export interface Completed {
  readonly webhookId: string;
  readonly answer: object;
  /** The kept answer to an earlier request with the same Idempotency-Key; nothing was changed. */
  readonly replayed?: true;
}

const keptOf = rowsOf(keptRowSchema);

/** @throws ApiError IDEMPOTENCY_KEY_REUSED when the key belongs to another request */
export async function findKept(
  query: Query,
  { keyId }: OwnerCaller,
  idempotency: Idempotency,
): Promise<Completed | undefined> {
  const [kept] = keptOf(await query(keptStatement(keyId, idempotency.key)));
  if (!kept) return undefined;
  const { fingerprint, webhookId, answer } = kept;
  if (fingerprint !== idempotency.fingerprint || webhookId === null || answer === null) {
    throw new ApiError('IDEMPOTENCY_KEY_REUSED');
  }
  return { webhookId, answer, replayed: true };
}

/** @throws ApiError IDEMPOTENCY_KEY_IN_USE if a request with the same Idempotency-Key may hold the lock that is waited for */
export async function waitForTwin(idempotency: Idempotency | undefined, locking: Promise<unknown>): Promise<void> {
  try {
    await locking;
  } catch (error) {
    throw idempotency && isLockTimeout(error) ? new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error }) : error;
  }
}
