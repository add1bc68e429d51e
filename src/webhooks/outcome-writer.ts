import { setTimeout as delay } from 'node:timers/promises';
import { group } from '../database/group.ts';
import type { Claimed, DeliveryRepository, HealthChange } from './delivery.repository.ts';
import type { DeliveryOutcome } from './finish.statements.ts';

/** Milliseconds until the retry of a statement that writes outcomes. */
const retryPause = 1_000;

/** Milliseconds for which writing an outcome is retried. After that the lease has ended: another process may have it. */
const retryLimit = 9_000;

/** Outcomes that one statement writes at most. The statement runs while further outcomes are collected. */
const outcomesAtOnce = 128;

interface Finished {
  readonly outcome: DeliveryOutcome;
  /** Whether the slot of the delivery may be used for the next one. */
  readonly mayGoOn: () => boolean;
}

interface Options {
  readonly deliveries: DeliveryRepository;
  /** Called when an endpoint begins to fail, succeeds again or is disabled. */
  readonly onHealth: (change: HealthChange) => void;
  /** Aborted when the worker stops: then nothing is retried. */
  readonly signal: AbortSignal;
}

/**
 * Makes a function that writes the outcome of a delivery, in a batch with others, with retries for 9 s; after that the
 * delivery is sent again when its lease ends. The function resolves with the next delivery of the same endpoint and agent, if
 * it was claimed.
 */
export function outcomeWriter({ deliveries, onHealth, signal }: Options) {
  /** Those whose outcome is written, also if the claim of the next ones failed: the retry then makes that claim alone. */
  const saved = new WeakSet<Finished>();

  const finish = group<Finished, Claimed | undefined>({
    size: outcomesAtOnce,
    waiting: Number.POSITIVE_INFINITY,
    isExpired: () => false,
    run: async (all) => {
      const { written, changes } = await deliveries.finish(all.map(({ outcome }) => outcome));
      for (const change of changes) onHealth(change);
      for (const one of all) if (written.has(one.outcome.id)) saved.add(one);
      const done = all
        .filter((one) => one.outcome.status !== 'PENDING' && saved.has(one))
        .map(({ outcome: { id }, mayGoOn }) => ({ id, mayGoOn: mayGoOn() }));
      const next = done.length > 0 ? await deliveries.next(done) : new Map();
      return all.map(({ outcome: { id } }) => ({ result: next.get(id) }));
    },
  });

  return async (finished: Finished): Promise<Claimed | undefined> => {
    const deadline = performance.now() + retryLimit;
    for (;;) {
      try {
        return await finish(finished);
      } catch {
        if (signal.aborted || performance.now() > deadline) return undefined;
        await delay(retryPause);
      }
    }
  };
}
