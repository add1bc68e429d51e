import { entityTag } from '../http/entity-tag.ts';
import { type Reply, setReplayHeader } from '../http/idempotency-key.ts';
import { record } from './fields.ts';
import type { StoredAgent } from './row.ts';
import { type AgentAnswer, answerMembers } from './schema.ts';
import type { Changed } from './write/decision.ts';

/** An agent for Fastify's serializers: they write only the members of the answer's schema, in its order. */
export const toSerialize = ({ id, companyId, createdAt, updatedAt, content }: StoredAgent) => ({
  id,
  companyId,
  createdAt,
  updatedAt,
  ...content,
});

/** The same for `JSON.stringify`: exactly the members of the schema, in their order. */
export function toAnswer(agent: StoredAgent): AgentAnswer {
  const members = toSerialize(agent);
  return record<AgentAnswer>(answerMembers, (name) => members[name]);
}

/** Sets the headers about an agent: ETag with its version, and Agent-Phone-Number-Id, which the body does not have. */
export function setAgentHeaders(reply: Reply, { version, content }: StoredAgent): void {
  reply.header('etag', entityTag(version));
  if (content.companyPhoneNumberId !== null) reply.header('agent-phone-number-id', content.companyPhoneNumberId);
}

/** Sets those of the answer to a change: those of the agent, Changed-Fields, Dry-Run and Idempotent-Replayed. */
export function setChangeHeaders(reply: Reply, { agent, changedFields, replayed }: Changed, dryRun = false): void {
  setAgentHeaders(reply, agent);
  reply.header('changed-fields', changedFields.join(', '));
  if (dryRun) reply.header('dry-run', 'true');
  setReplayHeader(reply, replayed);
}
