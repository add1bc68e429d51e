import { setImmediate } from 'node:timers/promises';
import { overloaded, timedOut } from '../http/problems.ts';

/**
 * Maximum size of a batch. With larger ones, the server is idle while PostgreSQL works, and the other way round. At most
 * 100: the trigger `agent_update_values` refuses more changes of one agent in one statement by the server's role.
 */
export const batchSize = 32;

/** The outcome of one item of a batch. */
export type Outcome<Result> = { readonly result: Result | Promise<Result> } | { readonly error: unknown };

interface Options<Item, Result> {
  /** Maximum size of a batch; by default `batchSize`. */
  readonly size?: number;
  /** Maximum number of waiting items; further calls are refused at once (OVERLOADED). */
  readonly waiting?: number;
  /** Whether the deadline of an item has passed; it is then rejected instead of run. */
  readonly isExpired: (item: Item) => boolean;
  /** Called when a batch begins: its size, and the seconds that its first call has waited. */
  readonly onBatch?: (size: number, waited: number) => void;
  /** Called when calls left the queue, as a batch or rejected: the number of those still waiting. */
  readonly onQueue?: (left: number) => void;
  /** Runs a batch. Resolves with one outcome for each item, in their order; if it throws, all items fail. */
  readonly run: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>;
}

interface Call<Item, Result> {
  readonly item: Item;
  /** The time of the call, in milliseconds on the clock of `performance.now()`. */
  readonly since: number;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects calls into batches: calls that arrive while a batch is running, and in the turn of the event loop in which it
 * ends, form the next one. A call that finds no running batch waits only for the others of its turn of the event loop. One
 * batch runs at a time. Without that wait, the first of many requests that arrive together would be a batch of its own, for
 * which the others wait: batches of 5 and 15 instead of 9 and 23 with 16 and 64 connections.
 * @returns a function that runs one item; it rejects with ApiError OVERLOADED if too many wait, DATABASE_UNAVAILABLE if it
 *   waits past its deadline, or with the error of `run`
 */
export function group<Item, Result>({
  size = batchSize,
  waiting = 1_000,
  isExpired,
  onBatch,
  onQueue,
  run,
}: Options<Item, Result>) {
  let queue: Call<Item, Result>[] = [];
  let isRunning = false;

  async function runAll(): Promise<void> {
    isRunning = true;
    while (queue.length > 0) {
      await setImmediate();
      const batch = queue.slice(0, size).filter(isInTime);
      queue = queue.slice(size);
      onQueue?.(queue.length);
      const [first] = batch;
      if (!first) continue;
      onBatch?.(batch.length, (performance.now() - first.since) / 1_000);
      await runBatch(batch);
    }
    isRunning = false;
  }

  function isInTime({ item, reject }: Call<Item, Result>): boolean {
    const isLate = isExpired(item);
    if (isLate) reject(timedOut());
    return !isLate;
  }

  async function runBatch(batch: readonly Call<Item, Result>[]): Promise<void> {
    try {
      const outcomes = await run(batch.map(({ item }) => item));
      for (const [place, call] of batch.entries()) settle(call, outcomes[place]);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  return (item: Item): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (queue.length >= waiting) {
        reject(overloaded());
        return;
      }
      queue.push({ item, since: performance.now(), resolve, reject });
      if (!isRunning) void runAll();
    });
}

/** Settles a call of a batch by its outcome. */
export function settle<Result>(
  { resolve, reject }: Pick<Call<unknown, Result>, 'resolve' | 'reject'>,
  outcome?: Outcome<Result>,
): void {
  if (outcome === undefined) reject(new Error('a batch left an item without an outcome'));
  else if ('error' in outcome) reject(outcome.error);
  else resolve(outcome.result);
}
