import { overloaded } from '../http/problems.ts';

/**
 * Items in one batch at most. Larger batches leave the server idle while PostgreSQL works, and the other way round. The
 * database refuses the server's role more than 100 changes of one agent in one statement (trigger `agent_update_values`).
 */
export const batchSize = 32;

/** What became of one item of a batch. */
export type Outcome<Result> = { readonly result: Result | Promise<Result> } | { readonly error: unknown };

interface Options<Item, Result> {
  /** Items in one batch at most. */
  readonly size?: number;
  /** Items that may wait; past them a call is refused at once. */
  readonly waiting?: number;
  /** Whether an item's caller has been answered already: then it does not begin any more. */
  readonly isExpired: (item: Item) => boolean;
  /** Told of each batch that begins: its size, the seconds that its first call has waited, the calls that wait on. */
  readonly onBatch?: (size: number, waited: number, left: number) => void;
  /** Carries a batch out: one outcome for each item, in the order of the items. All of them fail when it throws. */
  readonly run: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>;
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
 * @returns the call for one item; rejects with ApiError OVERLOADED when too many wait, and with what `run` makes of it
 */
export function group<Item, Result>({
  size = batchSize,
  waiting = 1_000,
  isExpired,
  onBatch,
  run,
}: Options<Item, Result>) {
  let queue: Call<Item, Result>[] = [];
  let isRunning = false;

  async function runAll(): Promise<void> {
    isRunning = true;
    while (queue.length > 0) {
      const batch = queue.slice(0, size).filter(({ item }) => !isExpired(item));
      queue = queue.slice(size);
      const [first] = batch;
      if (!first) continue;
      onBatch?.(batch.length, (performance.now() - first.since) / 1_000, queue.length);
      await runBatch(batch);
    }
    isRunning = false;
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

function settle<Item, Result>({ resolve, reject }: Call<Item, Result>, outcome?: Outcome<Result>): void {
  if (outcome === undefined) reject(new Error('a batch left an item without an outcome'));
  else if ('error' in outcome) reject(outcome.error);
  else resolve(outcome.result);
}
