import { setTimeout as delay } from 'node:timers/promises';
import { group } from '../database/group.ts';
import type { Claimed, DeliveryRepository, HealthChange } from './delivery.repository.ts';
import type { DeliveryOutcome } from './finish.statements.ts';

/** Milliseconds until the retry of a statement that failed, and of an outcome whose row another transaction has locked. */
const retryPause = 1_000;
const lockedPauses = { first: 10, longest: 100 } as const;

/**
 * Milliseconds for which writing an outcome is retried. After that the lease has ended: another process may have it. When the
 * worker stops, only locked rows are retried, for a shorter time.
 */
const retryLimit = 9_000;
const lastRetryLimit = 1_000;

/** Outcomes that one statement writes at most. The statement runs while further outcomes are collected. */
const outcomesAtOnce = 128;

interface Finished {
  readonly outcome: DeliveryOutcome;
  /** Whether the slot of the delivery may be used for the next one. */
  readonly mayGoOn: () => boolean;
}

interface Written {
  /** The next delivery of the same endpoint and agent, if it was claimed. */
  readonly next: Claimed | undefined;
  /** Whether a lock kept the outcome from being written, or the next delivery from being claimed. */
  readonly isLocked: boolean;
}

interface Options {
  readonly deliveries: DeliveryRepository;
  readonly onHealth: (change: HealthChange) => void;
  /** Called with the error of each statement that failed, and for each outcome that was locked until it was given up. */
  readonly onError: (error: unknown) => void;
  /** Aborted when the worker stops: then failed statements are not retried. */
  readonly signal: AbortSignal;
}

/**
 * Makes a function that writes the outcome of a delivery, in a batch with others, with retries for 9 s; after that the
 * delivery is sent again when its lease ends. The function resolves with the next delivery of the same endpoint and agent, if
 * it was claimed. A locked row delays only the outcomes that change it.
 */
export function outcomeWriter({ deliveries, onHealth, onError, signal }: Options) {
  /** Those whose outcome is written, also if the claim of the next ones failed: the retry then only claims them. */
  const saved = new WeakSet<Finished>();

  async function writeAll(all: readonly Finished[]): Promise<Written[]> {
    const { written, locked, changes } = await deliveries.finish(all.map(({ outcome }) => outcome));
    for (const change of changes) onHealth(change);
    for (const one of all) if (written.has(one.outcome.id)) saved.add(one);
    const done = all
      .filter((one) => one.outcome.status !== 'PENDING' && saved.has(one))
      .map(({ outcome: { id }, mayGoOn }) => ({ id, mayGoOn: mayGoOn() }));
    const nextOf = done.length > 0 ? await deliveries.next(done) : new Map<string, Claimed | null>();
    return all.map(({ outcome: { id } }) => {
      const next = nextOf.get(id);
      return { next: next ?? undefined, isLocked: locked.has(id) || next === null };
    });
  }

  const write = group<Finished, Written | undefined>({
    size: outcomesAtOnce,
    waiting: Number.POSITIVE_INFINITY,
    isExpired: () => false,
    run: async (all) => {
      try {
        return (await writeAll(all)).map((result) => ({ result }));
      } catch (error) {
        onError(error);
        return all.map(() => ({ result: undefined }));
      }
    },
  });

  return async (finished: Finished): Promise<Claimed | undefined> => {
    const since = performance.now();
    // Most locks are those of claims, and last a few milliseconds.
    for (let pause: number = lockedPauses.first; ; pause = Math.min(2 * pause, lockedPauses.longest)) {
      const result = await write(finished);
      if (result && !result.isLocked) return result.next;
      const limit = signal.aborted ? (result ? lastRetryLimit : 0) : retryLimit;
      if (performance.now() - since >= limit) {
        if (result && !saved.has(finished)) onError(lockedError(finished.outcome));
        return undefined;
      }
      await delay(result ? pause : retryPause);
    }
  };
}

const lockedError = ({ endpointId }: DeliveryOutcome) =>
  new Error(
    `the outcome of a delivery of webhook ${endpointId} was not written: a transaction holds a lock on its rows`,
  );
