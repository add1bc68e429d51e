/**
 * How a change of an agent is written: in a batch with changes of other agents, or alone if that fails, it gives the agent
 * a phone number, or the batch has its idempotency key for another agent.
 *
 *     a change ──► are changes of its agent running alone? ── yes ────────────────────────┐
 *                    │ no                                                                 │
 *                    ▼                                                                    ▼
 *        TOGETHER, one batch at a time (together.ts)                    ALONE, by agent (alone.ts)
 *        up to 32 changes: read what is not current,                    a transaction for those of one agent: lock
 *        decide by agent, and write in one statement                    the row, read, look keys up again, decide,
 *        if the rows are still those that were read                     write, keep answers
 *          │                 │                 │                          │          ▲            │            │
 *       written,       not written:      rolled back: a bad            written,      │      a lock on the row  │
 *       or refused     another change    value, an idem-               or refused    │      or key is held for │
 *          │           came first, or    potency key that                 │          │      100 ms, or another │
 *          │           the row is        exists or is                     │          │      change of the      │
 *          │           locked, it        locked, a deadlock               │          │      transaction fails  │
 *          │           gives a phone                                      │          │                         │
 *          │           number, or its                                     │          │                         │
 *          │           idempotency key                                    │          │                         │
 *          │           is there twice                                     │          │                         │
 *          ▼                 └───────────┴──► ALONE                       ▼          └────────────┘            │
 *       answer                                                         answer            until its deadline ──► error
 *
 * A batch is first repeated together in two cases: a kept answer rolled it back, which its next read finds; or its statement
 * came too late for its keys, which a transaction then looks up again.
 *
 * After a lost connection or a timeout the answer is 503 in either mode. Nothing is retried then: the transaction may have
 * been committed.
 */

import type { Caller } from '../../auth/caller.ts';
import type { Database } from '../../database/client.ts';
import { group } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Meter } from '../../metrics/meter.ts';
import type { TraceBatches } from '../../tracing/spans.ts';
import { changesAlone } from './alone.ts';
import { type Change, spanOf } from './batch.ts';
import type { Changed, Decide } from './decision.ts';
import { changesTogether } from './together.ts';

/** Makes the function that changes agents. Changes that arrive at the same time are read and written in one batch. */
export function agentChange(database: Database, meter: Meter, writes: RecentWrites, traced: TraceBatches) {
  const alone = changesAlone(database, meter, writes, traced);
  const together = group<Change, Changed>({
    isExpired: ({ by }) => by.deadline.left() <= 0,
    onBatch: (...batch) => meter.batch('changes', ...batch),
    onQueue: (left) => meter.queue('changes', left),
    run: traced('write batch', spanOf, changesTogether(database, writes, alone.run)),
  });

  /** Documented at `change` of `agentRepository`. */
  return (draft: Omit<Change, 'by' | 'decide'>, by: Caller, decide: Decide): Promise<Changed> => {
    const change = { ...draft, by, decide };
    // Queue it behind the others of its agent: a batch would skip the row, which their transaction has locked.
    return alone.isBusy(change.id) ? alone.run(change) : together(change);
  };
}
