import pLimit from 'p-limit';
import { shareNumbersStatement } from '../../companies/number-lock.statements.ts';
import type { Database } from '../../database/client.ts';
import { isLockTimeout, isTaken } from '../../database/failures.ts';
import { fairLimit } from '../../database/fair-limit.ts';
import { batchSize, settle } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import type { Query } from '../../database/statement.ts';
import { ApiError, overloaded, timedOut } from '../../http/problems.ts';
import type { Meter, RetryReason } from '../../metrics/meter.ts';
import type { TraceBatches } from '../../tracing/spans.ts';
import { type Change, spanOf } from './batch.ts';
import type { Changed } from './decision.ts';
import { lastTry } from './keep.ts';
import { deleteExpiredStatement, idempotencyIndex } from './kept.statements.ts';
import { lockSoonStatement } from './lock.statements.ts';
import { writeLocked } from './locked.ts';

interface QueuedChange {
  readonly change: Change;
  /** When it was queued, the last time if it is retried, in milliseconds on the clock of `performance.now()`. */
  readonly since: number;
  /** Whether it gets a transaction of its own, because a transaction with other changes of its agent failed. */
  readonly isSingle: boolean;
  /** Whether its last attempt was rolled back because another transaction held the lock of its row or idempotency key. */
  readonly wasHeld: boolean;
  readonly resolve: (result: Changed | Promise<Changed>) => void;
  readonly reject: (error: unknown) => void;
}

/** Maximum number of changes that wait or run; further ones are refused at once (OVERLOADED). */
const maxQueued = 1_000;

/**
 * Carries out changes that were not written in a batch with other agents: agent by agent, each in a transaction that locks the
 * row first. At most half of the connections are used at the same time. A change that waited 100 ms for the lock of a row or an
 * idempotency key is rolled back and queued again, until its deadline. Such retries never use the last of these connections, so
 * that first attempts go on however many rows are held, and retries of one company delay those of another by at most one turn. A
 * single connection serves both in turn.
 */
export function changesAlone(database: Database, meter: Meter, writes: RecentWrites, traced: TraceBatches) {
  const atOnce = Math.max(1, Math.floor(database.connections / 2));
  const inTurn = pLimit(atOnce);
  const inTurnOfHeld = fairLimit(Math.max(1, atOnce - 1));
  const queues = new Map<string, QueuedChange[]>();
  let count = 0;

  async function runQueue(id: string, queue: QueuedChange[]): Promise<void> {
    while (queue.length > 0) {
      const next = () => inTurn(() => attempt(id, takeNext(queue)));
      const held = queue.find(({ wasHeld }) => wasHeld);
      const again = await (held ? inTurnOfHeld(held.change.by.companyId, next) : next());
      queue.push(...again);
    }
    queues.delete(id);
  }

  /** Reports how many calls wait on, when some have left the queue. */
  function reportQueue(): void {
    let left = 0;
    for (const queue of queues.values()) left += queue.length;
    meter.queue('changes alone', left);
  }

  /** Runs calls of one agent in one transaction and settles them; returns those that must be retried. */
  async function attempt(id: string, taken: readonly QueuedChange[]): Promise<QueuedChange[]> {
    const calls = taken.filter(({ change }) => change.by.deadline.left() > 0);
    for (const call of taken) if (!calls.includes(call)) call.reject(timedOut());
    reportQueue();
    const [first] = calls;
    if (!first) return [];
    meter.batch('changes alone', calls.length, (performance.now() - first.since) / 1_000);
    const changes = calls.map(({ change }) => change);
    try {
      const write = traced('write alone', spanOf, () =>
        database.transaction(async (query) => {
          await query(lockSoonStatement(id));
          const numbers = changes.flatMap(({ phoneNumberId }) => phoneNumberId ?? []);
          if (numbers.length > 0) await query(shareNumbersStatement(numbers));
          await deleteExpiredAnswer(query, calls);
          return await writeLocked(query, writes, id, changes);
        }),
      );
      const outcomes = await write(changes);
      writes.wrote(id);
      for (const [place, call] of calls.entries()) settle(call, outcomes[place]);
      return [];
    } catch (error) {
      return calls.flatMap((call) => afterFailure(call, error, calls.length > 1));
    }
  }

  /** Decides about a call whose transaction was rolled back. @returns the call, if it must be retried */
  function afterFailure(call: QueuedChange, error: unknown, hadOthers: boolean): QueuedChange[] {
    const isTakenKey = isTaken(error, idempotencyIndex);
    const isHeldKey = error instanceof ApiError && error.code === 'IDEMPOTENCY_KEY_IN_USE';
    const isHeldRow = isLockTimeout(error) && !isHeldKey;
    const isFaultOfOne = isTakenKey || isHeldKey || !(error instanceof ApiError);
    if (!isLockTimeout(error) && !isTakenKey && !(isFaultOfOne && hadOthers)) {
      // Includes a lost connection and a timeout: the transaction may have been committed, so it is not retried.
      call.reject(error);
      return [];
    }
    meter.repeated(isLockTimeout(error) ? 'held' : 'undone');
    const isSingle = call.isSingle || isFaultOfOne;
    const again = { ...call, since: performance.now(), isSingle, wasHeld: isLockTimeout(error) };
    // Another change of the transaction may have caused the failure: retry in a transaction of its own before giving up.
    if (hadOthers && !isHeldRow) return [again];
    const why = isTakenKey ? new ApiError('IDEMPOTENCY_KEY_IN_USE', { cause: error }) : error;
    const remaining = call.change.by.deadline.left() - lastTry;
    if (remaining > 0) setTimeout(() => rejectWaiting(again, why), remaining).unref();
    else call.reject(why);
    return remaining > 0 ? [again] : [];
  }

  /** Rejects a queued call with its last error. A running one is left alone: its attempt decides. */
  function rejectWaiting(call: QueuedChange, why: unknown): void {
    const queue = queues.get(call.change.id);
    const place = queue?.indexOf(call) ?? -1;
    if (!queue || place === -1) return;
    queue.splice(place, 1);
    reportQueue();
    call.reject(why);
  }

  return {
    /** Whether changes of an agent are running or queued here. */
    isBusy: (id: string): boolean => queues.has(id),

    /**
     * Queues a change and resolves when it is committed.
     * @param why the reason for the retry, for the metrics
     * @throws what its decision throws; ApiError OVERLOADED, IDEMPOTENCY_KEY_IN_USE, DATABASE_UNAVAILABLE
     */
    run(change: Change, why?: RetryReason): Promise<Changed> {
      if (why) meter.repeated(why);
      if (count >= maxQueued) return Promise.reject(overloaded());
      count += 1;
      return new Promise<Changed>((resolve, reject) => {
        const call = { change, since: performance.now(), isSingle: false, wasHeld: false, resolve, reject };
        const queue = queues.get(change.id);
        if (queue) {
          queue.push(call);
          return;
        }
        const begun = [call];
        queues.set(change.id, begun);
        void runQueue(change.id, begun);
      }).finally(() => {
        count -= 1;
      });
    },
  };
}

/** Removes from the queue the first call and those behind it that can run in the same transaction, at most 32. */
function takeNext(queue: QueuedChange[]): QueuedChange[] {
  const single = queue.findIndex(({ isSingle }) => isSingle);
  const together = single === -1 ? batchSize : Math.max(1, Math.min(single, batchSize));
  return queue.splice(0, together);
}

/**
 * Deletes an expired answer under the key of a retried call. Reads ignore it, but until it is deleted it causes a unique
 * violation.
 */
async function deleteExpiredAnswer(query: Query, [call]: readonly QueuedChange[]): Promise<void> {
  if (!call?.isSingle || !call.change.idempotency) return;
  const { by, idempotency } = call.change;
  await query(deleteExpiredStatement(by.keyId, idempotency.key));
}
