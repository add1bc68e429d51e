import type { Static } from '@sinclair/typebox';
import { stringifyExact, textOf } from '../http/exact-numbers.ts';
import { answerableTime } from '../http/stored-time.ts';
import { type AgentContent, agentFields, record } from './fields.ts';
import type { agentJsonSchema } from './row.schema.ts';

/** A stored agent. `content` holds the fields that a patch can change, which are all that the history stores. */
export interface StoredAgent {
  readonly id: string;
  readonly companyId: string;
  /** From 1 on; each change that changes a field adds one. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly content: AgentContent;
}

/** The agent that was read after the request arrived. */
export interface ReadAhead {
  /** Undefined if there is no such agent or it is deleted. */
  readonly agent: StoredAgent | undefined;
  /** The place of the read in the order of `recentWrites`. */
  readonly readOrder: number;
}

/** The agent in the path of a request. */
export interface AgentInPath extends ReadAhead {
  /** Whether it exists, but belongs to another company than the request acts for; then `agent` is undefined. */
  readonly isForeign: boolean;
}

export type AgentJson = Static<typeof agentJsonSchema>;

export function toStoredAgent(agent: AgentJson): StoredAgent {
  const { id, companyId, version } = agent;
  const [createdAt, updatedAt] = [toTime(agent.createdAt), toTime(agent.updatedAt)];
  return { id, companyId, version, createdAt, updatedAt, content: toContent(agent) };
}

const toTime = (stored: string) => new Date(answerableTime(stored));

/** The content in a row or a snapshot. A question that SQL stored as something else than a text is read as its JSON. */
export function toContent(stored: Readonly<Record<string, unknown>>): AgentContent {
  const content = record<AgentContent>(agentFields, (name) => stored[name]);
  const { questions } = stored;
  return !Array.isArray(questions) || questions.every(isText)
    ? content
    : { ...content, questions: questions.map(toText) };
}

const isText = (question: unknown) => typeof question === 'string' && !question.startsWith('\u0000');
const toText = (question: unknown) => (isText(question) ? String(question) : stringifyExact(question));

/**
 * An agent as the JSON text of a kept answer: one flat object, as `toStoredAgent` reads it. The time of its change is stored
 * beside it: `updatedAt` in it may be older.
 */
export const keptAgentText = (agent: StoredAgent): string =>
  `${contentText(agent.content).slice(0, -1)},${JSON.stringify({ ...agent, content: undefined }).slice(1)}`;

/** Whether an agent takes little memory: at most 4,096 characters of JSON, which are parsed into 80 KB or less. */
export const isSmall = ({ content }: StoredAgent): boolean => contentText(content).length <= 4_096;

/** All fields as JSON. Uses the text of metadata that was made to measure it. */
export const contentText = (content: AgentContent): string =>
  `{"metadata":${textOf(content.metadata)},${stringifyExact({ ...content, metadata: undefined }).slice(1)}`;
