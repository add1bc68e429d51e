import type { Static } from '@sinclair/typebox';
import { type AgentContent, agentFields, record } from './fields.ts';
import type { agentJsonSchema } from './row.schema.ts';

/** An agent as its row holds it: what a patch can change apart from the rest, which must not get into the history. */
export interface StoredAgent {
  readonly id: string;
  readonly companyId: string;
  /** Raised by one with each real change, from 1 on. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly content: AgentContent;
}

/** What `agentJson` selects: times are text. */
export type AgentJson = Static<typeof agentJsonSchema>;

export function toStoredAgent(agent: AgentJson): StoredAgent {
  const { id, companyId, version, createdAt, updatedAt } = agent;
  const times = { createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
  return { id, companyId, version, ...times, content: contentOf(agent) };
}

/** The other way round, without the times, which a kept answer gets from the statement that keeps it. */
export function toAgentJson({ content, ...agent }: StoredAgent): object {
  return { ...agent, ...content };
}

/** The fields alone. */
const contentOf = (agent: AgentJson) => record<AgentContent>(agentFields, (name) => agent[name]);
