import { entityTag } from '../http/entity-tag.ts';
import { record } from './fields.ts';
import type { StoredAgent } from './row.ts';
import { type AgentAnswer, answerMembers } from './schema.ts';
import type { Changed } from './write/decision.ts';

/** The agent as answers show it: exactly the members of its schema, in their order. */
export function toAnswer({ id, companyId, createdAt, updatedAt, content }: StoredAgent): AgentAnswer {
  const times = { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
  const members = { id, companyId, ...times, ...content };
  return record<AgentAnswer>(answerMembers, (name) => members[name]);
}

/** Headers about an agent: ETag with its version, and Agent-Phone-Number-Id, which the body does not have. */
export function agentHeaders({ version, content }: StoredAgent): Record<string, string> {
  const { companyPhoneNumberId } = content;
  return {
    etag: entityTag(version),
    ...(companyPhoneNumberId !== null && { 'agent-phone-number-id': companyPhoneNumberId }),
  };
}

/** Headers of the answer to a change: those of the agent, Changed-Fields, Dry-Run and Idempotent-Replayed. */
export function changeHeaders({ agent, changedFields, replayed }: Changed, dryRun = false): Record<string, string> {
  return {
    ...agentHeaders(agent),
    'changed-fields': changedFields.join(', '),
    ...(dryRun && { 'dry-run': 'true' }),
    ...replayHeader(replayed),
  };
}

/** The header of an answer that repeats an earlier one. */
export const replayHeader = (replayed = false): Record<string, string> =>
  replayed ? { 'idempotent-replayed': 'true' } : {};
