import type { AgentField } from '../fields.ts';
import type { StoredAgent } from '../row.ts';
import type { Patched } from '../rules/patch.ts';

/** What a decision is made from: an agent that is not deleted, and whether the number it may get is active. */
export interface Found {
  readonly agent: StoredAgent;
  readonly numberIsActive: boolean;
}

/** What shall be stored. Nothing changes where no field does. */
export interface Decided extends Pick<Patched, 'content' | 'changedFields'> {
  /** The version whose content is restored. */
  readonly restoredFrom?: number;
}

/** A pure function from what is stored to what shall be stored. It is asked again when another change came first. */
export type Decide = (found: Found | undefined) => Decided;

/** An agent after a change, and the fields that it changed. */
export interface Changed {
  readonly agent: StoredAgent;
  readonly changedFields: readonly AgentField[];
  /** The answer was given before, and nothing is changed again. */
  readonly replayed?: true;
}
