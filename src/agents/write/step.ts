import type { AgentField } from '../fields.ts';
import type { StoredAgent } from '../row.ts';

/** One real change of an agent: one version, one history entry. As `changeSql` takes it. */
export interface Step {
  readonly id: string;
  readonly company: string;
  /** The version that the first step of this agent was decided on. */
  readonly read: number;
  /** 1 for the first step of this agent in the batch … */
  readonly step: number;
  /** … up to this, its last. */
  readonly steps: number;
  /** All fields, as this step leaves them. */
  readonly content: object;
  readonly changed: readonly string[];
  /** The fields of type jsonb that this step or one before it changed: the row keeps its value of the others. */
  readonly touched: readonly string[];
  readonly key: string;
  readonly request: string;
  readonly address: string | null;
  /** The version whose content this step restores, or null. */
  readonly restored: number | null;
}

/** An answer to be kept, as `keepingChangeSql` takes it. */
export interface Keeping {
  readonly api_key: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly agent_id: string;
  readonly agent: StoredAgent;
  readonly changed: readonly AgentField[];
  /** When the agent was last changed, where this answer waits for no step. */
  readonly updated: Date;
  /** The step that the answer shows; 0 for none of this batch. */
  readonly after: number;
  /** The last step of this agent. */
  readonly steps: number;
}
