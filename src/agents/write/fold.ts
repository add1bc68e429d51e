import type { Caller } from '../../auth/caller.ts';
import type { Idempotency } from '../../http/idempotency-key.ts';
import { agentMissing } from '../../http/particular-problems.ts';
import { jsonFields } from '../fields.ts';
import type { StoredAgent } from '../row.ts';
import type { Changed, Decide, Decided } from './decision.ts';
import { type KeptAnswer, replay } from './replay.ts';
import type { Keeping, Step } from './step.ts';

/** A decision to be made, for whom, and what was found for it. */
export interface Question {
  readonly decide: Decide;
  readonly by: Caller;
  readonly idempotency?: Idempotency | undefined;
  /** Whether the number that it asks about is an active one of the company that owns the agent. */
  readonly numberIsActive: boolean;
  /** What was answered to a request with the same Idempotency-Key. */
  readonly kept?: KeptAnswer | undefined;
}

/** Outcome of a question; valid once the first `after` steps are written. */
type Answered = { readonly after: number } & Changed;
type Answer = Answered | { readonly after: number; readonly error: unknown };

/** What came of all questions about one agent. */
export interface Folded {
  /** To be written together, or not at all. */
  readonly steps: readonly Step[];
  /** Answers to requests that may be sent again, each to be kept if the steps before it are written. */
  readonly keeping: readonly Keeping[];
  readonly answers: readonly Answer[];
}

/**
 * Folds the questions about one agent, in their order: each decides on the result of those before it, and each real
 * change is a step with its own version, history entry and answer. A decision that throws fails alone. A request that
 * is sent again is not decided again, neither after its answer nor behind its twin in the batch. Pure.
 * @param stored the agent as it was read; undefined when it is not there or deleted
 */
export function fold(questions: readonly Question[], stored: StoredAgent | undefined): Folded {
  const drafts: Omit<Step, 'steps'>[] = [];
  const keeping: Omit<Keeping, 'steps'>[] = [];
  let agent = stored;

  function ask(question: Question): Answer {
    const { decide, by, numberIsActive, idempotency, kept } = question;
    const twin = idempotency && keeping.find(({ api_key, key }) => api_key === by.keyId && key === idempotency.key);
    try {
      if (idempotency && kept) return { ...replay(kept, idempotency), after: 0 };
      if (idempotency && twin) return { ...replay(answerOf(twin), idempotency), after: twin.after };
      const decided = decide(agent && { agent, numberIsActive });
      if (!agent) throw agentMissing();
      if (decided.changedFields.length > 0) agent = take(agent, decided, by);
      const answer = { agent, changedFields: decided.changedFields, after: drafts.length };
      if (idempotency) keep(idempotency, by, answer);
      return answer;
    } catch (error) {
      return { error, after: drafts.length };
    }
  }

  function take(from: StoredAgent, { content, changedFields, restoredFrom }: Decided, by: Caller): StoredAgent {
    drafts.push({
      id: from.id,
      company: from.companyId,
      read: from.version - drafts.length,
      step: drafts.length + 1,
      content,
      changed: changedFields,
      touched: jsonFields.filter((name) => changedFields.includes(name) || drafts.at(-1)?.touched.includes(name)),
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
    { agent: shown, changedFields, after }: Answered,
  ): void {
    const answer = { agent_id: shown.id, agent: shown, changed: changedFields, updated: shown.updatedAt, after };
    keeping.push({ api_key: keyId, key, fingerprint, ...answer });
  }

  const answers = questions.map(ask);
  const steps = drafts.length;
  return {
    answers,
    steps: drafts.map((draft) => ({ ...draft, steps })),
    keeping: keeping.map((kept) => ({ ...kept, steps })),
  };
}

const answerOf = ({ fingerprint, agent, changed }: Omit<Keeping, 'steps'>): KeptAnswer => ({
  fingerprint,
  agent,
  changedFields: changed,
});

/** When a step was written: the last one at `writtenAt`, each one before it a millisecond earlier. */
export const timeOfStep = (writtenAt: Date, step: number, steps: number): Date =>
  new Date(writtenAt.getTime() - (steps - step));

/** An answer as committed, which shows the agent after a step, or before the first. */
export function committed(agent: StoredAgent, after: number, steps: number, writtenAt: Date): StoredAgent {
  return after === 0 ? agent : { ...agent, updatedAt: timeOfStep(writtenAt, after, steps) };
}
