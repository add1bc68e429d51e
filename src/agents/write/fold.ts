import type { Caller } from '../../auth/caller.ts';
import type { Idempotency } from '../../http/idempotency-key.ts';
import { agentMissing } from '../../http/particular-problems.ts';
import { lastTime } from '../../http/stored-time.ts';
import { largeFields } from '../fields.ts';
import type { StoredAgent } from '../row.ts';
import type { Changed, Decide, Decided } from './decision.ts';
import { type KeptAnswer, replay } from './replay.ts';
import type { Keeping, Step } from './step.ts';

/** A decision to be made, its caller, and what was read for it. */
export interface PendingDecision {
  readonly decide: Decide;
  readonly by: Caller;
  readonly idempotency?: Idempotency | undefined;
  /** Whether the phone number asked about is active and belongs to the company that owns the agent. */
  readonly numberIsActive: boolean;
  /** The kept answer to an earlier request with the same Idempotency-Key. */
  readonly kept?: KeptAnswer | undefined;
}

/** The outcome of one decision; valid once the first `after` steps are written. */
type FoldedOutcome = { readonly after: number } & (Changed | { readonly error: unknown });

/** The outcome of all decisions about one agent. */
export interface Folded {
  /** To be written in one transaction. */
  readonly steps: readonly Step[];
  /** Answers to requests with an Idempotency-Key. Each is kept if the steps that it depends on are written. */
  readonly keeping: readonly Keeping[];
  readonly outcomes: readonly FoldedOutcome[];
}

/**
 * Makes the decisions about one agent in their order, each on the result of those before it. Each decision that changes a
 * field is a step with its own version, history entry and answer. If a decision throws, only its request fails. A repeated
 * request gets the answer of the first one, from storage or from earlier in the same batch. Pure.
 * @param stored the agent as it was read; undefined if there is none or it is deleted
 */
export function fold(decisions: readonly PendingDecision[], stored: StoredAgent | undefined): Folded {
  const drafts: Omit<Step, 'steps'>[] = [];
  const keeping: Omit<Keeping, 'steps'>[] = [];
  let agent = stored;

  function outcomeOf({ decide, by, numberIsActive, idempotency, kept }: PendingDecision): FoldedOutcome {
    const earlier = idempotency && keeping.find(({ api_key, key }) => api_key === by.keyId && key === idempotency.key);
    try {
      if (idempotency && kept) return { ...replay(kept, idempotency), after: 0 };
      if (idempotency && earlier) return { ...replay(answerOf(earlier), idempotency), after: earlier.after };
      const decided = decide(agent && { agent, numberIsActive });
      if (!agent) throw agentMissing();
      if (decided.changedFields.length > 0) agent = addStep(agent, decided, by);
      const answer = { agent, changedFields: decided.changedFields, after: drafts.length };
      if (idempotency) keep(idempotency, by, answer);
      return answer;
    } catch (error) {
      return { error, after: drafts.length };
    }
  }

  function addStep(from: StoredAgent, { content, changedFields, restoredFrom }: Decided, by: Caller): StoredAgent {
    drafts.push({
      id: from.id,
      company: from.companyId,
      read: from.version - drafts.length,
      updated: from.updatedAt,
      step: drafts.length + 1,
      content,
      changed: changedFields,
      touched: largeFields.filter((name) => changedFields.includes(name) || drafts.at(-1)?.touched.includes(name)),
      key: by.keyId,
      request: by.requestId,
      address: by.address,
      restored: restoredFrom ?? null,
    });
    return { ...from, content, version: from.version + 1 };
  }

  function keep(
    { key, fingerprint }: Idempotency,
    { keyId }: Caller,
    { agent: shown, changedFields, after }: Changed & { readonly after: number },
  ): void {
    const answer = { agent_id: shown.id, agent: shown, changed: changedFields, updated: shown.updatedAt, after };
    keeping.push({ api_key: keyId, key, fingerprint, ...answer });
  }

  const outcomes = decisions.map(outcomeOf);
  const steps = drafts.length;
  return {
    outcomes,
    steps: drafts.map((draft) => ({ ...draft, steps })),
    keeping: keeping.map((kept) => ({ ...kept, steps })),
  };
}

const answerOf = ({ fingerprint, agent, changed }: Omit<Keeping, 'steps'>): KeptAnswer => ({
  fingerprint,
  agent,
  changedFields: changed,
});

/**
 * The time of an agent as it is after step `after`: the last step has `writtenAt`, each one before it is a millisecond earlier,
 * unless that is `lastTime`, as which an infinite time is read.
 * @param read the time as it was read; stays if `after` is 0 or nothing was written
 */
export function timeAfter(after: number, steps: number, writtenAt: Date | undefined, read: Date): Date {
  if (after === 0 || !writtenAt) return read;
  return writtenAt.getTime() === Date.parse(lastTime) ? writtenAt : new Date(writtenAt.getTime() - (steps - after));
}
