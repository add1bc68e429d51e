import { type Complaint, complaints, type Fault, inBody } from '../../http/faults.ts';
import { equal } from '../../http/json.ts';
import { type AgentContent, type AgentField, agentFields, initialContent } from '../fields.ts';
import type { AgentDraft, AgentPatch } from '../schema.ts';
import { mergeWithinLimits, restoreComplaints } from './metadata.ts';

/** What a patch makes of an agent. No change at all leaves `changedFields` empty. */
export interface Patched {
  readonly content: AgentContent;
  readonly changedFields: readonly AgentField[];
  /**
   * All rules that the result breaks (docs/contract.md#the-order-of-checks). If merged metadata is too deep, no other fault of
   * metadata is listed.
   */
  readonly faults: readonly Fault[];
}

/**
 * Applies a patch that its schema has accepted. A field that is absent keeps its value, null clears it, anything else
 * replaces it; metadata merges.
 * @param numberIsActive whether the number in `companyPhoneNumberId` is an active one of the agent's company
 */
export function applyPatch(agent: AgentContent, patch: AgentPatch, numberIsActive: boolean): Patched {
  const { merged, complaints: aboutMetadata } = patch.metadata
    ? mergeWithinLimits(agent.metadata, patch.metadata)
    : { merged: agent.metadata, complaints: [] };
  const content = {
    ...agent,
    ...patch,
    ...(patch.companyPhoneNumberId && { companyPhoneNumberId: patch.companyPhoneNumberId.toLowerCase() }),
    metadata: merged,
  };
  return patched(agent, content, phoneFaults(content, patch, numberIsActive), aboutMetadata);
}

/** Restores earlier content of an agent. Values that are no longer in an enumeration are accepted. */
export function restored(agent: AgentContent, content: AgentContent, numberIsActive: boolean): Patched {
  const number = content.companyPhoneNumberId;
  // A number that the agent has may stay, as in a patch that leaves it out.
  const isGone = number !== null && number !== agent.companyPhoneNumberId && !numberIsActive;
  const aboutNumber = isGone ? [inBody(['companyPhoneNumberId'], complaints.restoredNumberNotFound())] : [];
  const aboutMetadata = restoreComplaints(agent.metadata, content.metadata);
  return patched(agent, content, aboutNumber, aboutMetadata);
}

function patched(
  before: AgentContent,
  content: AgentContent,
  aboutNumber: readonly Fault[],
  aboutMetadata: readonly Complaint[],
): Patched {
  const isChanged = (field: AgentField) => before[field] !== content[field] && !equal(before[field], content[field]);
  const faults = [...aboutNumber, ...aboutMetadata.map((complaint) => inBody(['metadata'], complaint))];
  return { content, changedFields: agentFields.filter(isChanged), faults };
}

/** A new agent's content: the draft's fields, and the initial values of the others. */
export const newContent = (draft: AgentDraft, numberIsActive: boolean): Patched =>
  applyPatch(initialContent, draft, numberIsActive);

function phoneFaults(content: AgentContent, patch: AgentPatch, numberIsActive: boolean): Fault[] {
  const path = ['companyPhoneNumberId'];
  if (patch.companyPhoneNumberId === null && content.type === 'PHONE') {
    return [inBody(path, complaints.phoneNumberNotNull())];
  }
  if (patch.companyPhoneNumberId && !numberIsActive) return [inBody(path, complaints.phoneNumberNotFound())];
  return [];
}
