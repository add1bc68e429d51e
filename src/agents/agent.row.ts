import { type AgentContent, type AgentField, agentFields } from './agent.schema.ts';

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

/** How `agentJson` arrives: times are text. */
export type AgentJson = AgentContent &
  Record<'id' | 'companyId' | 'createdAt' | 'updatedAt', string> & { version: number };

export const columnOf = (field: string) => field.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

const members = ['id', 'companyId', 'version', 'createdAt', 'updatedAt', ...agentFields];

/** SQL for one JSON object of a row of agent: a batch of rows is cheaper to read so than column by column. */
export const agentJson = (table: string) =>
  `json_build_object(${members.map((member) => `'${member}', ${table}.${columnOf(member)}`).join(', ')})`;

export function toStoredAgent(agent: AgentJson): StoredAgent {
  const { id, companyId, version, createdAt, updatedAt } = agent;
  const times = { createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
  return { id, companyId, version, ...times, content: contentOf(agent) };
}

/** The other way round, without the times, which a kept answer gets from the statement that keeps it. */
export function toAgentJson({ content, ...agent }: StoredAgent): object {
  return { ...agent, ...content };
}

/** The fields alone, named one by one: a copy of what is left over costs many times as much. */
function contentOf(agent: AgentJson): AgentContent {
  const { name, type, focus, questions, instructions, language, duration } = agent;
  const { voiceId, cefrLevel, companyPhoneNumberId, metadata, backgroundSound } = agent;
  return {
    name,
    type,
    focus,
    questions,
    instructions,
    language,
    duration,
    voiceId,
    cefrLevel,
    companyPhoneNumberId,
    metadata,
    backgroundSound,
  };
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
