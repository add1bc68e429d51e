import type { Author, Caller } from '../auth/caller.ts';
import { matchesStrongly, matchesWeakly, type Preconditions } from '../http/entity-tag.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { type Page, readPage } from '../http/pages.ts';
import { agentMissing, tagExcluded, tagNotCurrent, versionMissing } from '../http/particular-problems.ts';
import { ApiError, databaseUnavailable, invalid } from '../http/problems.ts';
import type { AgentVersionRepository } from './history/repository.ts';
import type { AgentRepository } from './repository.ts';
import type { AgentListQuery } from './request.schema.ts';
import type { StoredAgent } from './row.ts';
import { applyPatch, newContent, type Patched, restored } from './rules/patch.ts';
import type { AgentDraft, AgentPatch } from './schema.ts';
import type { ReadAhead } from './write/batch.ts';
import type { Changed, Decide, Found } from './write/decision.ts';

export type AgentService = ReturnType<typeof agentService>;

/** What a change is aimed at, and how. */
export interface Target {
  /** In lower case. */
  readonly id: string;
  readonly readAhead: ReadAhead;
  readonly preconditions: Preconditions;
  /** Run every check, but write nothing. */
  readonly dryRun?: boolean | undefined;
  /** That the request may be sent again; not together with a dry run. */
  readonly idempotency?: Idempotency | undefined;
}

/** Without the agent where what was found is no longer enough. */
type Aim = Omit<Target, 'readAhead'> & {
  readonly readAhead: ReadAhead | undefined;
};

/**
 * The use cases of agents. A change is a pure decision about one agent, carried out by the repository. Each is answered by
 * the deadline of its caller's request, with ApiError DATABASE_UNAVAILABLE if need be.
 */
export function agentService(agents: AgentRepository, versions: AgentVersionRepository) {
  /** A dry run goes the same way and stops before the write: the agent keeps its version and times. */
  async function change(caller: Caller, target: Aim, phoneNumberId: string | null, decide: Decide): Promise<Changed> {
    const { id, readAhead, dryRun, idempotency } = target;
    if (!dryRun) return await agents.change({ id, phoneNumberId, readAhead, idempotency }, caller, decide);
    const found = await readAgain(target, phoneNumberId);
    const { content, changedFields } = decide(found);
    return { agent: { ...own(caller, found?.agent), content }, changedFields };
  }

  async function readAgain({ id, readAhead }: Aim, phoneNumberId: string | null): Promise<Found | undefined> {
    if (phoneNumberId !== null || !readAhead) return await agents.find(id, phoneNumberId);
    return readAhead.agent && { agent: readAhead.agent, numberIsActive: false };
  }

  return {
    /**
     * Changes an agent of the caller's company.
     * @returns the agent as committed; the same version where the patch changes nothing
     * @throws ApiError for steps 10 to 13 of the contract's order of checks, like every use case here
     */
    update(caller: Caller, target: Target, patch: AgentPatch): Promise<Changed> {
      const changed = change(caller, target, patch.companyPhoneNumberId ?? null, (found) => {
        const agent = own(caller, found?.agent);
        checkPreconditions(target.preconditions, agent.version);
        return accepted(applyPatch(agent.content, patch, found?.numberIsActive === true));
      });
      return caller.deadline.race(changed);
    },

    /** Gives an agent the content of one of its versions, as a new version. */
    restore: (caller: Caller, target: Target, version: number): Promise<Changed> =>
      caller.deadline.race(restore(caller, target, version)),

    /** Makes an agent of a company that exists, with its first history entry. */
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

    get: (caller: Caller, { agent }: ReadAhead): StoredAgent => own(caller, agent),

    /** A page of the company's agents: its first portion; `portion` reads the others, by the ids in `rest`. */
    async list({ companyId, deadline }: Caller, query: AgentListQuery) {
      const page = readPage(query);
      return { ...(await deadline.race(agents.page(companyId, query, page))), page };
    },

    portion: agents.portion,

    /** Deletes an agent for everybody: every later request on it is 404. */
    remove: (caller: Caller, target: Target): Promise<void> => caller.deadline.race(remove(caller, target)),

    async history(caller: Caller, { agent }: ReadAhead, query: Partial<Page>) {
      const { id, version } = own(caller, agent);
      const page = readPage(query);
      const both = Promise.all([versions.entries(id, version, page), versions.oldest(id)]);
      const [entries, oldest = version + 1] = await caller.deadline.race(both);
      // One entry for each version from the oldest on.
      return { entries, total: Math.max(version + 1 - oldest, 0), page };
    },

    /** An agent as the answer of one of its versions showed it. */
    async version(caller: Caller, { agent }: ReadAhead, version: number): Promise<StoredAgent> {
      const current = own(caller, agent);
      const { content, createdAt } = await caller.deadline.race(snapshot(current, version));
      return { ...current, content, version, updatedAt: createdAt };
    },

    /** What two versions of an agent hold; `to` is the current one unless it is given. */
    async compare(caller: Caller, { agent }: ReadAhead, from: number, to?: number) {
      const current = own(caller, agent);
      const both = Promise.all([snapshot(current, from), snapshot(current, to ?? current.version)]);
      const [before, after] = await caller.deadline.race(both);
      return { before, after };
    },
  };

  async function restore(caller: Caller, target: Aim & Target, version: number): Promise<Changed> {
    // Of anybody's agent: what is made of it is decided below.
    const wanted = await versions.snapshot(target.id, version);
    // Found before that version was made, the agent would be judged by its own future: it is read again.
    const isOlder =
      wanted !== undefined && target.readAhead.agent !== undefined && target.readAhead.agent.version < version;
    const aim = isOlder ? { ...target, readAhead: undefined } : target;
    return await change(caller, aim, wanted?.content.companyPhoneNumberId ?? null, (found) => {
      const agent = own(caller, found?.agent);
      if (!wanted) throw versionMissing(version, agent.version);
      checkPreconditions(target.preconditions, agent.version);
      const decided = accepted(restored(agent.content, wanted.content, found?.numberIsActive === true));
      return { ...decided, restoredFrom: version };
    });
  }

  async function remove(caller: Caller, { id, readAhead, preconditions }: Target): Promise<void> {
    const { ifMatch = '*' } = preconditions;
    let { agent } = readAhead;
    while (caller.deadline.left() > 0) {
      const { version } = own(caller, agent);
      checkPreconditions(preconditions, version);
      const only = { companyId: caller.companyId, version: ifMatch === '*' ? null : version };
      if (await agents.delete(id, caller, only)) return;
      // Another change came first.
      agent = (await agents.find(id, null))?.agent;
    }
    throw databaseUnavailable(new Error('no answer in time'));
  }

  async function snapshot(current: StoredAgent, version: number) {
    const found = await versions.snapshot(current.id, version);
    if (!found) throw versionMissing(version, current.version);
    return found;
  }
}

/** Steps 10 and 11: the agent is there, and it is the company's. */
function own(caller: Caller, agent: StoredAgent | undefined): StoredAgent {
  if (!agent) throw agentMissing();
  if (agent.companyId !== caller.companyId) throw new ApiError('RESOURCE_ACCESS_DENIED');
  return agent;
}

/** Step 12: If-Match by strong, If-None-Match by weak comparison (RFC 9110, section 13.1). */
function checkPreconditions({ ifMatch = '*', ifNoneMatch = [] }: Preconditions, version: number): void {
  if (!matchesStrongly(ifMatch, version)) throw tagNotCurrent(ifMatch, version);
  if (matchesWeakly(ifNoneMatch, version)) throw tagExcluded(version);
}

/** Step 13: what was decided breaks no rule. */
function accepted(patched: Patched): Patched {
  if (patched.faults.length > 0) throw invalid(patched.faults);
  return patched;
}
