import { type AgentContent, type AgentField, agentFields } from './agent.schema.ts';

/** An agent as its row holds it. */
export interface StoredAgent extends AgentContent {
  readonly id: string;
  readonly companyId: string;
  /** Raised by one with each real change, from 1 on. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** How `agentJson` arrives: times are text. */
export type AgentJson = AgentContent &
  Record<'id' | 'companyId' | 'createdAt' | 'updatedAt', string> & { version: number };

export const columnOf = (field: string) => field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

const members = ['id', 'companyId', 'version', 'createdAt', 'updatedAt', ...agentFields];

/** SQL for one JSON object of a row of agent: a batch of rows is cheaper to read so than column by column. */
export const agentJson = (table: string) =>
  `json_build_object(${members.map((member) => `'${member}', ${table}.${columnOf(member)}`).join(', ')})`;

export function toStoredAgent({ createdAt, updatedAt, ...agent }: AgentJson): StoredAgent {
  return { ...agent, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
}

/** SQL for the value of one field in `content`, a jsonb document of all fields in their names on the wire. */
export function fieldOf(content: string, field: AgentField): string {
  switch (field) {
    case 'questions':
    case 'metadata':
      return `${content}->'${field}'`;
    case 'duration':
      return `(${content}->>'${field}')::int`;
    case 'companyPhoneNumberId':
      return `(${content}->>'${field}')::uuid`;
    default:
      return `${content}->>'${field}'`;
  }
}
