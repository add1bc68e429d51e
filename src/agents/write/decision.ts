import type { StoredAgent } from '../row.ts';
import type { Patched } from '../rules/patch.ts';

/** The input of a decision: an agent that is not deleted, and whether the phone number asked about is active. */
export interface DecisionInput {
  readonly agent: StoredAgent;
  readonly numberIsActive: boolean;
}

/** The content to store. If `changedFields` is empty, nothing is written. */
export interface Decided extends Pick<Patched, 'content' | 'changedFields'> {
  /** The version whose content is restored. */
  readonly restoredFrom?: number;
}

/** A pure function from the stored agent to its next content. It is called again if another change was written first. */
export type Decide = (found: DecisionInput | undefined) => Decided;

/** An agent after a change, and the fields that it changed. */
export interface Changed {
  readonly agent: StoredAgent;
  /** Of a kept answer, in the words of the release that stored it. */
  readonly changedFields: readonly string[];
  /** The kept answer to an earlier request with the same Idempotency-Key; nothing was changed. */
  readonly replayed?: true;
}
