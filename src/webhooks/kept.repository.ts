import type { OwnerCaller } from '../auth/caller.ts';
import { rowsOf } from '../database/rows.ts';
import type { Query } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { deliveryMissing } from '../http/particular-problems.ts';
import { ApiError } from '../http/problems.ts';
import { type Completed, keptStatement } from './kept.statements.ts';
import { keptRowSchema } from './row.schema.ts';

const keptOf = rowsOf(keptRowSchema);

/**
 * Finds the kept answer to an earlier request with the same Idempotency-Key.
 * @throws ApiError IDEMPOTENCY_KEY_REUSED if the key belongs to another request; RESOURCE_NOT_FOUND if the answer was about an
 *   agent that was erased since, or whose company the owner no longer manages
 */
export async function findKept(
  query: Query,
  { keyId, owner }: OwnerCaller,
  idempotency: Idempotency,
): Promise<Completed | undefined> {
  const [kept] = keptOf(await query(keptStatement(keyId, idempotency.key, owner)));
  if (!kept) return undefined;
  const { fingerprint, webhookId, answer } = kept;
  if (fingerprint !== idempotency.fingerprint || webhookId === null) throw new ApiError('IDEMPOTENCY_KEY_REUSED');
  if (answer === null) throw deliveryMissing();
  return { webhookId, answer, replayed: true };
}
