import { ApiError, overloaded } from '../http/problems.ts';

/** What became of one item of a batch. `again` takes its place at the head of the next batch. */
export type Outcome<Item, Result> =
  | { readonly result: Result | Promise<Result> }
  | { readonly error: unknown }
  | { readonly again: Item };

interface Options<Item, Result> {
  /** Items in one batch at most. */
  readonly size: number;
  /** Items that may wait; past them a call is refused at once. */
  readonly waiting: number;
  /** Whether an item's caller has been answered already: then it does not begin any more. */
  readonly isExpired: (item: Item) => boolean;
  /** Told of each batch that begins: its size, the seconds that its first call has waited, the calls that wait on. */
  readonly onBatch?: (size: number, waited: number, left: number) => void;
  /** Told how many calls will run one by one, when their batch was undone. */
  readonly onUndone?: (size: number) => void;
  /** Carries a batch out: one outcome for each item, in the order of the items. */
  readonly run: (items: readonly Item[]) => Promise<readonly Outcome<Item, Result>[]>;
}

interface Call<Item, Result> {
  readonly item: Item;
  /** When it came, in milliseconds. */
  readonly since: number;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects calls into batches: those that arrive while a batch is under way become the next one. An idle group waits
 * for nothing. At most one batch is under way.
 *
 * When a batch fails because PostgreSQL refused a row of it, nothing of it was saved: its items run again one by one,
 * so that one bad row fails alone. After a lost connection or a time limit nobody knows: all of it fails, and nothing is
 * run again.
 * @returns the call for one item; rejects with ApiError OVERLOADED when too many wait, and with what `run` makes of it
 */
export function group<Item, Result>(options: Options<Item, Result>) {
  const { size, waiting, isExpired, onBatch, onUndone, run } = options;
  let queue: Call<Item, Result>[] = [];
  let isRunning = false;

  async function runAll(): Promise<void> {
    isRunning = true;
    while (queue.length > 0) {
      const batch = queue.slice(0, size).filter(({ item }) => !isExpired(item));
      queue = queue.slice(size);
      const [first] = batch;
      if (first) onBatch?.(batch.length, (performance.now() - first.since) / 1_000, queue.length);
      const again = await runBatch(batch);
      queue = [...again, ...queue];
    }
    isRunning = false;
  }

  /** Settles the calls of a batch; returns those that must run again. */
  async function runBatch(batch: readonly Call<Item, Result>[]): Promise<Call<Item, Result>[]> {
    if (batch.length === 0) return [];
    try {
      const outcomes = await run(batch.map(({ item }) => item));
      return batch.flatMap((call, place) => settle(call, outcomes[place]));
    } catch (error) {
      if (batch.length > 1 && !(error instanceof ApiError)) return runOneByOne(batch);
      for (const { reject } of batch) reject(error);
      return [];
    }
  }

  async function runOneByOne(batch: readonly Call<Item, Result>[]): Promise<Call<Item, Result>[]> {
    onUndone?.(batch.length);
    const again: Call<Item, Result>[] = [];
    for (const call of batch) again.push(...(await runBatch([call])));
    return again;
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

function settle<Item, Result>(call: Call<Item, Result>, outcome?: Outcome<Item, Result>): Call<Item, Result>[] {
  if (outcome === undefined) call.reject(new Error('a batch left an item without an outcome'));
  else if ('again' in outcome) return [{ ...call, item: outcome.again }];
  else if ('error' in outcome) call.reject(outcome.error);
  else call.resolve(outcome.result);
  return [];
}
