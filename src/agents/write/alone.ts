import pLimit from 'p-limit';
import { refusals } from '../../auth/lookup.ts';
import type { Database, Query } from '../../database/client.ts';
import { isLockTimeout, isTaken } from '../../database/failures.ts';
import { batchSize } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import { stringifyExact } from '../../http/exact-numbers.ts';
import { ApiError, databaseUnavailable, overloaded } from '../../http/problems.ts';
import type { Meter, Repeated } from '../../metrics/meter.ts';
import { type Change, endsOf, foldByAgent, readAll } from './batch.ts';
import type { Changed } from './decision.ts';
import { answered, keepAnswers } from './keep.ts';
import { idempotencyIndex, makeRoomSql } from './kept.statements.ts';
import { changeSql, lockSoonSql } from './statements.ts';
import { type WrittenRow, writtenTimes } from './written.ts';

/** A change that waits for its turn. */
interface Call {
  readonly change: Change;
  /** Whether it runs without others of its agent: it failed among them. */
  readonly isSingle: boolean;
  readonly resolve: (result: Changed) => void;
  readonly reject: (error: unknown) => void;
}

/** Changes that may wait; past them a call is refused at once. */
const waiting = 1_000;

/** Milliseconds before its deadline in which a call is not tried again: the try might not end in time. */
const lastTry = 400;

/**
 * Carries out changes agent by agent, each in a transaction that locks the row first: what did not get through together
 * with others. A bounded number runs at once. One that waits in vain for a row or a key gives its place to others and
 * queues again until its deadline, so that what somebody else holds delays only those who want it.
 */
export function changesAlone(database: Database, meter: Meter, writes: RecentWrites) {
  const inTurn = pLimit(Math.max(1, Math.floor(database.connections / 2)));
  const queues = new Map<string, Call[]>();
  let count = 0;

  async function serve(id: string, queue: Call[]): Promise<void> {
    while (queue.length > 0) {
      const again = await inTurn(() => attempt(id, takeFrom(queue)));
      queue.push(...again);
    }
    queues.delete(id);
  }

  /** Settles calls of one agent; returns those that must run once more. */
  async function attempt(id: string, taken: readonly Call[]): Promise<Call[]> {
    const now = performance.now();
    const calls = taken.filter(({ change }) => change.deadline > now);
    for (const call of taken)
      if (!calls.includes(call)) call.reject(databaseUnavailable(new Error('no answer in time')));
    if (calls.length === 0) return [];
    meter.batch('changes alone', calls.length, 0, count - calls.length);
    const changes = calls.map(({ change }) => change);
    try {
      const ended = await database.transaction(async (query) => {
        await query(lockSoonSql, [id]);
        await makeRoom(query, calls);
        return await carryOut(query, writes, id, changes);
      });
      writes.wrote(id);
      for (const [place, call] of calls.entries()) {
        const end = ended[place];
        if (end && 'result' in end) call.resolve(end.result);
        else call.reject(end?.error);
      }
      return [];
    } catch (error) {
      return calls.flatMap((call) => afterFailure(call, error, calls.length > 1));
    }
  }

  /** What becomes of a call whose transaction was rolled back: it runs once more, or fails. */
  function afterFailure(call: Call, error: unknown, hadOthers: boolean): Call[] {
    const isTakenKey = isTaken(error, idempotencyIndex);
    const isHeldKey = error instanceof ApiError && error.code === 'IDEMPOTENCY_KEY_IN_USE';
    const isHeldRow = isLockTimeout(error) && !isHeldKey;
    const isFaultOfOne = isTakenKey || isHeldKey || !(error instanceof ApiError);
    if (!isLockTimeout(error) && !isTakenKey && !(isFaultOfOne && hadOthers)) {
      // Also a lost connection or a time limit, after which it may have been committed: it is never run again.
      call.reject(error);
      return [];
    }
    meter.repeated(isLockTimeout(error) ? 'held' : 'undone');
    const again = { ...call, isSingle: call.isSingle || isFaultOfOne };
    // Not yet known of a single one, where the key or value of a neighbour may have been in the way.
    if (hadOthers && !isHeldRow) return [again];
    const why = isTakenKey ? new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error }) : error;
    const remaining = call.change.deadline - lastTry - performance.now();
    if (remaining > 0) setTimeout(() => rejectWaiting(again, why), remaining).unref();
    else call.reject(why);
    return remaining > 0 ? [again] : [];
  }

  /** Ends a call for what it failed with last, unless it runs: then that decides. */
  function rejectWaiting(call: Call, why: unknown): void {
    const queue = queues.get(call.change.id);
    const place = queue?.indexOf(call) ?? -1;
    if (!queue || place === -1) return;
    queue.splice(place, 1);
    call.reject(why);
  }

  return {
    /** Whether changes of an agent run, or wait to. */
    isBusy: (id: string): boolean => queues.has(id),

    /** @throws what its decision throws; ApiError OVERLOADED, IDEMPOTENCY_KEY_IN_USE, DATABASE_UNAVAILABLE */
    run(change: Change, why?: Repeated): Promise<Changed> {
      if (why) meter.repeated(why);
      if (count >= waiting) return Promise.reject(overloaded());
      count += 1;
      return new Promise<Changed>((resolve, reject) => {
        const call = { change, isSingle: false, resolve, reject };
        const queue = queues.get(change.id);
        if (queue) {
          queue.push(call);
          return;
        }
        const begun = [call];
        queues.set(change.id, begun);
        void serve(change.id, begun);
      }).finally(() => {
        count -= 1;
      });
    },
  };
}

/** The first call, with those behind it that may run in the same transaction. */
function takeFrom(queue: Call[]): Call[] {
  const single = queue.findIndex(({ isSingle }) => isSingle);
  const together = single === -1 ? batchSize : Math.max(1, Math.min(single, batchSize));
  return queue.splice(0, together);
}

/** For a call that failed before: the answer in its way may be one that is kept no longer, which is not found. */
async function makeRoom(query: Query, [call]: readonly Call[]): Promise<void> {
  if (!call?.isSingle || !call.change.idempotency) return;
  const { by, idempotency } = call.change;
  await query(makeRoomSql, [[by.keyId], [idempotency.key]]);
}

async function carryOut(query: Query, writes: RecentWrites, id: string, changes: readonly Change[]) {
  const refused = await refusals(
    query,
    changes.map(({ by }) => by),
  );
  const allowed = changes.filter(({ by }) => !refused.has(by));
  const folds = foldByAgent(allowed, await readAll(query, writes, allowed));
  const steps = folds.flatMap((folded) => folded.steps);
  const rows = steps.length > 0 ? await query<WrittenRow>(changeSql, [[id], stringifyExact(steps), null]) : [];
  const writtenAt = writtenTimes(rows);
  // Thrown before answers are kept, which would show what was not written.
  if (steps.length > 0 && rows.length === 0) throw new Error('a locked row was changed by somebody else');
  const keeping = folds.flatMap((folded) => folded.keeping);
  await keepAnswers(
    query,
    keeping.map((kept) => answered(kept, writtenAt.get(id))),
  );
  const ends = endsOf(folds, writtenAt);
  return changes.map((change) => (refused.has(change.by) ? { error: refused.get(change.by) } : ends.get(change)));
}
