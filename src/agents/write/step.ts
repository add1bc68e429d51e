import type { AgentContent } from '../fields.ts';
import { contentText, keptAgentText, type StoredAgent } from '../row.ts';

/** One change of an agent in a batch: one version, one history entry. */
export interface Step {
  readonly id: string;
  readonly company: string;
  /** The version that was read: the first step of this agent makes the next one. */
  readonly read: number;
  /** The time of the agent's last change, as it was read with the version. */
  readonly updated: Date;
  /** The position among the steps of this agent in the batch, from 1 on. */
  readonly step: number;
  /** The number of steps of this agent in the batch. */
  readonly steps: number;
  /** All fields after this step. */
  readonly content: AgentContent;
  readonly changed: readonly string[];
  /** The large fields that this step or an earlier one of the batch changed; the others are not written. */
  readonly touched: readonly string[];
  readonly key: string;
  readonly request: string;
  readonly address: string | null;
  /** The version whose content this step restores, or null. */
  readonly restored: number | null;
}

/** A step as a change takes it, as JSON. */
export const stepText = (step: Step): string =>
  `{"content":${contentText(step.content)},${JSON.stringify({ ...step, content: undefined }).slice(1)}`;

export interface Keeping {
  readonly api_key: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly agent_id: string;
  readonly agent: StoredAgent;
  readonly changed: readonly string[];
  /** The time of the agent's last change before this batch; used if `after` is 0. */
  readonly updated: Date;
  /** The step after which the answer shows the agent; 0 if it depends on no step of this batch. */
  readonly after: number;
  /** The number of steps of this agent in the batch. */
  readonly steps: number;
}

/** An answer to be kept as `keepStatement` takes it, as JSON. */
export const keepingText = (kept: Omit<Keeping, 'after' | 'steps'>): string =>
  `{"agent":${keptAgentText(kept.agent)},${JSON.stringify({ ...kept, agent: undefined }).slice(1)}`;
