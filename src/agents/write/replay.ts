import type { Idempotency } from '../../http/idempotency-key.ts';
import { agentMissing } from '../../http/particular-problems.ts';
import { ApiError } from '../../http/problems.ts';
import type { StoredAgent } from '../row.ts';
import type { Changed } from './decision.ts';

/** The kept answer to a request with an Idempotency-Key. */
export interface KeptAnswer {
  /** The fingerprint of the request that was answered. */
  readonly fingerprint: string;
  /** The agent as the answer showed it; null if it was erased since. */
  readonly agent: StoredAgent | null;
  readonly changedFields: readonly string[];
}

/**
 * Repeats a kept answer.
 * @throws ApiError IDEMPOTENCY_KEY_REUSED if the answer is for another request; RESOURCE_NOT_FOUND if the agent was erased
 */
export function replay({ fingerprint, agent, changedFields }: KeptAnswer, request: Idempotency): Changed {
  if (fingerprint !== request.fingerprint) throw new ApiError('IDEMPOTENCY_KEY_REUSED');
  if (!agent) throw agentMissing();
  return { agent, changedFields, replayed: true };
}
