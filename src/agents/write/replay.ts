import type { Idempotency } from '../../http/idempotency-key.ts';
import { agentMissing } from '../../http/particular-problems.ts';
import { ApiError } from '../../http/problems.ts';
import type { AgentField } from '../fields.ts';
import type { AgentJson, StoredAgent } from '../row.ts';
import type { Changed } from './decision.ts';

/** What was answered to a request with an Idempotency-Key. */
export interface KeptAnswer {
  /** Of the request that was answered. */
  readonly fingerprint: string;
  /** As the answer showed it; null when the agent has been erased since. */
  readonly agent: StoredAgent | null;
  readonly changedFields: readonly AgentField[];
}

/** How a kept answer arrives from the database: its time beside the agent, and its fields as the release that kept it knew them. */
export interface KeptJson extends Pick<KeptAnswer, 'fingerprint' | 'changedFields'> {
  readonly agent: AgentJson | null;
  readonly updatedAt: string;
}

/**
 * Answers a request once more as it was answered.
 * @throws ApiError IDEMPOTENCY_KEY_REUSED when the answer belongs to another request, RESOURCE_NOT_FOUND
 */
export function replay({ fingerprint, agent, changedFields }: KeptAnswer, request: Idempotency): Changed {
  if (fingerprint !== request.fingerprint) throw new ApiError('IDEMPOTENCY_KEY_REUSED');
  if (!agent) throw agentMissing();
  return { agent, changedFields, replayed: true };
}
