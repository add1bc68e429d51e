import type { Caller } from '../caller.ts';
import { matchesStrongly, matchesWeakly, parseEntityTags } from '../entity-tag.ts';
import { ApiError, invalid } from '../errors.ts';
import { applyPatch, newContent } from './agent.patch.ts';
import type { AgentRepository } from './agent.repository.ts';
import type { StoredAgent } from './agent.row.ts';
import type { AgentDraft, AgentPatch, Preconditions } from './agent.schema.ts';

export type AgentService = ReturnType<typeof agentService>;

/** What a change was sent with, beside the patch. */
interface Circumstances {
  readonly preconditions: Preconditions;
  /** The agent as it was found since the request arrived. */
  readonly readAhead: { readonly agent: StoredAgent | undefined };
}

/** The use cases of agents. Each is a pure decision about one agent, carried out by the repository. */
export function agentService(agents: AgentRepository) {
  return {
    /**
     * Changes an agent of the caller's company.
     * @param id in lower case
     * @returns the agent as committed; the same version where the patch changes nothing
     * @throws ApiError for steps 10 to 13 of the contract's order of checks
     */
    update(
      caller: Caller,
      id: string,
      patch: AgentPatch,
      { preconditions, readAhead }: Circumstances,
    ): Promise<StoredAgent> {
      const wanted = { id, phoneNumberId: patch.companyPhoneNumberId ?? null, readAhead };
      return agents.change(wanted, caller, (found) => {
        if (!found) throw new ApiError('RESOURCE_NOT_FOUND');
        if (found.agent.companyId !== caller.companyId) throw new ApiError('RESOURCE_ACCESS_DENIED');
        checkPreconditions(preconditions, found.agent.version);
        const patched = applyPatch(found.agent, patch, found.numberIsActive);
        if (patched.faults.length > 0) throw invalid(patched.faults);
        return patched;
      });
    },

    /**
     * Makes an agent of a company that exists, with its first history entry.
     * @throws ApiError VALIDATION_FAILED when the draft breaks a rule that needs stored data
     */
    async create(companyId: string, draft: AgentDraft): Promise<StoredAgent> {
      const number = draft.companyPhoneNumberId;
      const created = newContent(draft, !!number && (await agents.numberIsActive(companyId, number)));
      if (created.faults.length > 0) throw invalid(created.faults);
      return agents.create(companyId, created.content);
    },
  };
}

/** Step 12: If-Match by strong, If-None-Match by weak comparison (RFC 9110, section 13.1). */
function checkPreconditions(preconditions: Preconditions, version: number): void {
  const demanded = parseEntityTags(preconditions['if-match'] ?? '*') ?? [];
  const excluded = parseEntityTags(preconditions['if-none-match'] ?? '') ?? [];
  if (!matchesStrongly(demanded, version) || matchesWeakly(excluded, version)) {
    throw new ApiError('PRECONDITION_FAILED');
  }
}
