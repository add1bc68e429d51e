import type { AgentField } from '../fields.ts';
import type { StoredAgent } from '../row.ts';

/** One change of an agent in a batch: one version, one history entry. The form in which `changeSql` takes it. */
export interface Step {
  readonly id: string;
  readonly company: string;
  /** The version that was read: the first step of this agent makes the next one. */
  readonly read: number;
  /** The position among the steps of this agent in the batch, from 1 on. */
  readonly step: number;
  /** The number of steps of this agent in the batch. */
  readonly steps: number;
  /** All fields after this step. */
  readonly content: object;
  readonly changed: readonly string[];
  /** The jsonb fields that this step or an earlier one of the batch changed; the others are not written. */
  readonly touched: readonly string[];
  readonly key: string;
  readonly request: string;
  readonly address: string | null;
  /** The version whose content this step restores, or null. */
  readonly restored: number | null;
}

/** An answer to be kept, in the form in which `keepingChangeSql` takes it. */
export interface Keeping {
  readonly api_key: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly agent_id: string;
  readonly agent: StoredAgent;
  readonly changed: readonly AgentField[];
  /** The time of the agent's last change before this batch; used if `after` is 0. */
  readonly updated: Date;
  /** The step after which the answer shows the agent; 0 if it depends on no step of this batch. */
  readonly after: number;
  /** The number of steps of this agent in the batch. */
  readonly steps: number;
}
