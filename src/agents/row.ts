import type { Static } from '@sinclair/typebox';
import { type AgentContent, type AgentField, agentFields, fields, record } from './fields.ts';
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

/** The members of an agent in a row and in a kept answer, each with its column. */
export const columns: readonly (readonly [member: string, column: string])[] = [
  ['id', 'id'],
  ['companyId', 'company_id'],
  ['version', 'version'],
  ['createdAt', 'created_at'],
  ['updatedAt', 'updated_at'],
  ...agentFields.map((name) => [name, fields[name].column] as const),
];

/** SQL for one JSON object of a row of agent: a batch of rows is cheaper to read so than column by column. */
export const agentJson = (table: string) =>
  `json_build_object(${columns.map(([member, column]) => `'${member}', ${table}.${column}`).join(', ')})`;

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

/** SQL for the value of one field in `content`, a jsonb document of all fields in their names on the wire. */
export function fieldOf(content: string, name: AgentField): string {
  const { sqlType } = fields[name];
  switch (sqlType) {
    case 'jsonb':
      return `${content}->'${name}'`;
    case 'text':
      return `${content}->>'${name}'`;
    case 'integer':
    case 'uuid':
      return `(${content}->>'${name}')::${sqlType}`;
  }
}
