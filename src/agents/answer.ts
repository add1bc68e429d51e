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

/** What is said of an agent beside its body: its version, and its number, for which the body has no member. */
export function agentHeaders({ version, content }: StoredAgent): Record<string, string> {
  const { companyPhoneNumberId } = content;
  return {
    etag: entityTag(version),
    ...(companyPhoneNumberId !== null && { 'agent-phone-number-id': companyPhoneNumberId }),
  };
}

/** What is said of a change: the fields that it changed, and whether it was only tried. */
export function changeHeaders({ agent, changedFields, replayed }: Changed, dryRun = false): Record<string, string> {
  return {
    ...agentHeaders(agent),
    'changed-fields': changedFields.join(', '),
    ...(dryRun && { 'dry-run': 'true' }),
    ...replayHeader(replayed),
  };
}

/** Says of an answer that it was given before. */
export const replayHeader = (replayed = false): Record<string, string> =>
  replayed ? { 'idempotent-replayed': 'true' } : {};
