/**
 * Changes of agents, in two modes.
 *
 *     a change ──► its agent has changes that run alone? ── yes ──────────────────────────┐
 *                    │ no                                                                 │
 *                    ▼                                                                    ▼
 *        TOGETHER, one lane (together.ts)                               ALONE, by agent (alone.ts)
 *        up to 32 that wait: read what is not current,                  a transaction for those of one agent: lock
 *        decide, fold by agent, and write in one                        the row, look keys up again, read, decide,
 *        statement under the versions that were read                    write, keep answers
 *          │                 │                 │                          │          ▲            │            │
 *       written,       not written:      undone: a bad row,            written,      │      the row or key     │
 *       or refused     the version       a taken or held               or refused    │      is held for 100 ms,│
 *          │           moved, the row    key, a deadlock                  │          │      a key was taken, a │
 *          │           is locked         │                                │          │      neighbour's bad row│
 *          ▼                 └───────────┴──► ALONE                       ▼          └────────────┘            │
 *       answer                                                         answer            until its deadline ──► error
 *
 * A connection that broke, or a time limit, answers 503 in either mode, and nothing is run again: it may have been
 * committed.
 */

import type { Caller } from '../../auth/caller.ts';
import type { Database } from '../../database/client.ts';
import { group } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Meter } from '../../metrics/meter.ts';
import { changesAlone } from './alone.ts';
import type { Change } from './batch.ts';
import type { Changed, Decide } from './decision.ts';
import { changeTogether } from './together.ts';

/** Changes agents: those that arrive together are read and written together. */
export function agentChange(database: Database, meter: Meter, writes: RecentWrites) {
  const alone = changesAlone(database, meter, writes);
  const heard = { at: Number.NEGATIVE_INFINITY };
  const together = group<Change, Changed>({
    isExpired: ({ deadline }) => deadline <= performance.now(),
    onBatch: (...batch) => meter.batch('changes', ...batch),
    run: (changes) => changeTogether(database, writes, changes, alone.run, heard),
  });

  /** See `agentRepository`. */
  return (wanted: Wanted, by: Caller, decide: Decide): Promise<Changed> => {
    const change = { ...wanted, by, decide, deadline: by.deadline.at };
    // Behind the others of its agent: together with other agents it would only lose against them.
    return alone.isBusy(change.id) ? alone.run(change) : together(change);
  };
}

type Wanted = Omit<Change, 'by' | 'decide' | 'deadline'>;
