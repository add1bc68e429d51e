import type { Author, Caller } from '../auth/caller.ts';
import { matchesStrongly, matchesWeakly, type Preconditions } from '../http/entity-tag.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { type Page, readPage } from '../http/pages.ts';
import { agentMissing, tagExcluded, tagNotCurrent, versionMissing } from '../http/particular-problems.ts';
import { ApiError, invalid, timedOut } from '../http/problems.ts';
import type { AgentVersionRepository } from './history/repository.ts';
import type { AgentRepository } from './repository.ts';
import type { AgentListQuery } from './request.schema.ts';
import type { AgentInPath, ReadAhead, StoredAgent } from './row.ts';
import { applyPatch, newContent, type Patched, restored } from './rules/patch.ts';
import type { AgentDraft, AgentPatch } from './schema.ts';
import type { Change } from './write/batch.ts';
import type { Changed, Decide } from './write/decision.ts';

export type AgentService = ReturnType<typeof agentService>;

/** The agent to change, and the conditions and options of the request. */
interface ChangeRequest extends Pick<Change, 'id' | 'idempotency'> {
  readonly readAhead: AgentInPath;
  readonly preconditions: Preconditions;
  /** Run every check, but write nothing; not together with an Idempotency-Key. */
  readonly dryRun?: boolean | undefined;
}

/**
 * The use cases of agents. A change is a pure decision about one agent, which the repository carries out. Each use case ends
 * by the deadline of its request, with ApiError DATABASE_UNAVAILABLE if the database has not answered.
 */
export function agentService(agents: AgentRepository, versions: AgentVersionRepository) {
  /**
   * A dry run makes the same decision and stops before the write: the answer has the stored version and times.
   * @param readAhead undefined if the agent must be read again
   */
  async function change(
    caller: Caller,
    { id, dryRun, idempotency }: ChangeRequest,
    readAhead: ReadAhead | undefined,
    phoneNumberId: string | null,
    decide: Decide,
  ): Promise<Changed> {
    if (!dryRun) return await agents.change({ id, phoneNumberId, readAhead, idempotency }, caller, decide);
    const found =
      phoneNumberId === null && readAhead
        ? readAhead.agent && { agent: readAhead.agent, numberIsActive: false }
        : await agents.find(id, phoneNumberId);
    // After the last read: the answer shows nothing that is newer than the end of a key or grant.
    await agents.confirm(caller);
    const { content, changedFields } = decide(found);
    return { agent: { ...own(caller, found), content }, changedFields };
  }

  return {
    /**
     * Changes an agent of the caller's company.
     * @returns the agent as committed; the version stays the same if the patch changes nothing
     * @throws ApiError for checks 10 to 13 (docs/contract.md#the-order-of-checks), like every use case here
     */
    update(caller: Caller, request: ChangeRequest, patch: AgentPatch): Promise<Changed> {
      const { readAhead, preconditions } = request;
      const changed = changeOwn(caller, request, () =>
        change(caller, request, readAhead, patch.companyPhoneNumberId ?? null, (found) => {
          const agent = own(caller, found);
          checkPreconditions(preconditions, agent.version);
          return accepted(applyPatch(agent.content, patch, found?.numberIsActive === true));
        }),
      );
      return caller.deadline.race(changed);
    },

    restore: (caller: Caller, request: ChangeRequest, version: number): Promise<Changed> =>
      caller.deadline.race(changeOwn(caller, request, (read) => restore(caller, request, version, read))),

    create(companyId: string, draft: AgentDraft, by: Author, idempotency?: Idempotency) {
      const created = agents.create(
        {
          companyId,
          phoneNumberId: draft.companyPhoneNumberId ?? null,
          decide: (numberIsActive) => accepted(newContent(draft, numberIsActive)).content,
        },
        by,
        idempotency,
      );
      return 'operator' in by ? created : by.deadline.race(created);
    },

    get: (caller: Caller, readAhead: AgentInPath): StoredAgent => own(caller, readAhead),

    /** The first portion of a page of the company's agents; `portion` reads the next ones, given the ids in `rest`. */
    async list({ companyId, deadline }: Caller, query: AgentListQuery) {
      const page = readPage(query);
      return { ...(await deadline.race(agents.page(companyId, query, page))), page };
    },

    portion: agents.portion,

    /** Deletes an agent: every later request for it is answered 404. */
    remove: (caller: Caller, request: ChangeRequest): Promise<void> => caller.deadline.race(remove(caller, request)),

    async history(caller: Caller, readAhead: AgentInPath, query: Partial<Page>) {
      const { id, version } = own(caller, readAhead);
      const page = readPage(query);
      const both = Promise.all([versions.entries(id, version, page), versions.oldest(id)]);
      const [items, oldest = version + 1] = await caller.deadline.race(both);
      // There is one entry for each version from the oldest one on.
      return { items, total: Math.max(version + 1 - oldest, 0), page };
    },

    /** An agent as it was at one of its versions. */
    async version(caller: Caller, readAhead: AgentInPath, version: number): Promise<StoredAgent> {
      const current = own(caller, readAhead);
      const { content, createdAt } = await caller.deadline.race(snapshot(current, version));
      return { ...current, content, version, updatedAt: createdAt };
    },

    /** The content of two versions of an agent; `to` is by default the current version. */
    async compare(caller: Caller, readAhead: AgentInPath, from: number, to?: number) {
      const current = own(caller, readAhead);
      const both = Promise.all([snapshot(current, from), snapshot(current, to ?? current.version)]);
      const [before, after] = await caller.deadline.race(both);
      return { before, after };
    },
  };

  /**
   * Makes checks 10 and 11 before a change reads more about the agent: the answer to another company must not wait for that.
   * An answer that is kept for the request comes first.
   */
  async function changeOwn(caller: Caller, request: ChangeRequest, run: (read: StoredAgent) => Promise<Changed>) {
    const { readAhead, idempotency } = request;
    const kept = !readAhead.agent && idempotency && (await agents.keptAnswer(caller, idempotency));
    if (kept) return kept;
    return await run(own(caller, readAhead));
  }

  /** @param read the agent as it was read before the history */
  async function restore(caller: Caller, request: ChangeRequest, version: number, read: StoredAgent): Promise<Changed> {
    const { id, readAhead, preconditions } = request;
    const wanted = await versions.snapshot(id, version);
    // The agent was read before the requested version existed: read it again.
    const isOlder = wanted !== undefined && read.version < version;
    const phoneNumberId = wanted?.content.companyPhoneNumberId ?? null;
    return await change(caller, request, isOlder ? undefined : readAhead, phoneNumberId, (found) => {
      const agent = own(caller, found);
      if (!wanted) throw versionMissing(version, read.version);
      checkPreconditions(preconditions, agent.version);
      const decided = accepted(restored(agent.content, wanted.content, found?.numberIsActive === true));
      return { ...decided, restoredFrom: version };
    });
  }

  async function remove(caller: Caller, { id, readAhead, preconditions }: ChangeRequest): Promise<void> {
    const { ifMatch = '*', ifNoneMatch } = preconditions;
    const anyVersion = ifMatch === '*' && ifNoneMatch === undefined;
    let found: Found | undefined = readAhead;
    while (caller.deadline.left() > 0) {
      const { version } = own(caller, found);
      checkPreconditions(preconditions, version);
      const wanted = { id, by: caller, companyId: caller.companyId, version: anyVersion ? null : version };
      if (await agents.delete(wanted)) return;
      // Another change was written first, or holds the row: decide again on the current agent.
      found = await agents.find(id, null);
    }
    throw timedOut();
  }

  async function snapshot(current: StoredAgent, version: number) {
    const found = await versions.snapshot(current.id, version);
    if (!found) throw versionMissing(version, current.version);
    return found;
  }
}

type Found = Pick<ReadAhead, 'agent'> & Partial<AgentInPath>;

/** Checks 10 and 11: the agent exists and belongs to the company. */
function own(caller: Caller, found: Found | undefined): StoredAgent {
  const { agent, isForeign = false } = found ?? {};
  if (isForeign || (agent && agent.companyId !== caller.companyId)) throw new ApiError('RESOURCE_ACCESS_DENIED');
  if (!agent) throw agentMissing();
  return agent;
}

/** Check 12: If-Match by strong, If-None-Match by weak comparison (RFC 9110, section 13.1). */
function checkPreconditions({ ifMatch = '*', ifNoneMatch = [] }: Preconditions, version: number): void {
  if (!matchesStrongly(ifMatch, version)) throw tagNotCurrent(ifMatch, version);
  if (matchesWeakly(ifNoneMatch, version)) throw tagExcluded(version);
}

/** Check 13: the result breaks no rule. */
function accepted(patched: Patched): Patched {
  if (patched.faults.length > 0) throw invalid(patched.faults);
  return patched;
}
