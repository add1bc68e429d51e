import { setTimeout as delay } from 'node:timers/promises';
import { group } from '../database/group.ts';
import type { Meter } from '../metrics/meter.ts';
import type { Attempt, Deliver } from './attempt.ts';
import type { Claimed, DeliveryRepository, HealthChange } from './delivery.repository.ts';
import type { Ended } from './finish.statements.ts';
import { endedAs, givenBack, notGranted, unreadable } from './outcome.ts';
import { alarm } from './poll-timer.ts';
import { slotsOf } from './slots.ts';

interface Options {
  readonly deliveries: DeliveryRepository;
  readonly deliver: Deliver;
  /** Decrypts what is sent; throws if the secret of the endpoint cannot be decrypted. */
  readonly open: (claimed: Claimed) => Attempt;
  readonly meter: Meter;
  /** Called with each error of a claim, a measurement or a deletion, and of `open`, for the log. */
  readonly onError: (error: unknown) => void;
  /** Called when an endpoint begins to fail, succeeds again or is disabled. */
  readonly onHealth: (change: HealthChange) => void;
}

/** Milliseconds between claims of an idle worker, unless `wake` is called. */
const poll = 1_000;

/** Minimum milliseconds between two claims: after one that found deliveries, and after one that found none. */
const shortPause = 20;
const longPause = 200;

/** Milliseconds until the retry of a statement that writes outcomes. */
const retryPause = 1_000;

/** Milliseconds between two measurements, and between two deletions of old deliveries. */
const measuring = 15_000;
const tidying = 60_000;

/** Milliseconds for which writing an outcome is retried. After that the lease has ended: another process may have it. */
const finishing = 9_000;

/** Outcomes that one statement writes at most. The statement runs while further outcomes are collected. */
const together = 128;

const full = { claimed: [], hasMore: false };

export type Worker = ReturnType<typeof webhookWorker>;

/**
 * Sends the deliveries that are due (docs/contract.md#webhooks). Any number of processes can do so on one database.
 *
 * A loop claims due deliveries under a lease, which ends by itself if the process dies. Each claimed delivery is sent, its
 * outcome is written in a batch with others, and the next delivery of the same endpoint and agent is claimed with it.
 */
export function webhookWorker({ deliveries, deliver, open, meter, onError, onHealth }: Options) {
  const slots = slotsOf();
  const bell = alarm();
  const running = new Set<Promise<void>>();
  const rounds: Promise<void>[] = [];
  const stopping = new AbortController();
  const { signal } = stopping;

  const finish = group<Ended, Claimed | undefined>({
    size: together,
    waiting: Number.POSITIVE_INFINITY,
    isExpired: () => false,
    run: async (ended) => {
      const { written, changes } = await deliveries.finish(ended);
      for (const change of changes) onHealth(change);
      const done = ended.filter(({ id, status }) => status !== 'PENDING' && written.has(id)).map(({ id }) => id);
      const next =
        done.length > 0 ? await deliveries.next(done, slots.hasRoom('healthy') && !signal.aborted) : new Map();
      return ended.map(({ id }) => ({ result: next.get(id) }));
    },
  });

  /**
   * Writes an outcome, with retries for 9 s; after that the delivery is sent again when its lease ends.
   * @returns the next delivery of the same endpoint and agent, if it was claimed
   */
  async function settle(ended: Ended): Promise<Claimed | undefined> {
    const deadline = performance.now() + finishing;
    for (;;) {
      try {
        return await finish(ended);
      } catch {
        if (signal.aborted || performance.now() > deadline) return undefined;
        await delay(retryPause);
      }
    }
  }

  async function attempt(claimed: Claimed): Promise<Ended> {
    if (!claimed.isGranted) return notGranted(claimed);
    let opened: Attempt;
    try {
      opened = open(claimed);
    } catch (error) {
      onError(error);
      return unreadable(claimed);
    }
    const result = await deliver.deliver(opened);
    return result ? endedAs(claimed, result) : givenBack(claimed);
  }

  /** Sends a claimed delivery and writes its outcome, then the same for the next ones of its endpoint and agent. */
  async function carry(first: Claimed): Promise<void> {
    for (let claimed: Claimed | undefined = first; claimed; ) {
      const release = slots.take(claimed);
      const ended = await attempt(claimed);
      if (ended.isAttempt || ended.status === 'FAILED') meter.delivery(ended.status);
      claimed = await settle(ended);
      release();
    }
    bell.ring();
  }

  function start(claimed: Claimed): void {
    const carrying = carry(claimed).finally(() => running.delete(carrying));
    running.add(carrying);
  }

  /** Claims at most 50 times a second while it finds deliveries, and 5 times while it is woken but finds none. */
  async function claimAll(): Promise<void> {
    while (!signal.aborted) {
      const { claimed, hasMore } = slots.hasRoom() ? await deliveries.claim(slots.room()) : full;
      for (const one of claimed) start(one);
      if (!hasMore) await bell.wait(claimed.length > 0 ? shortPause : longPause, poll);
    }
  }

  async function measure(): Promise<void> {
    const measures = await deliveries.measures();
    if (measures) meter.webhooks(measures);
  }

  async function tidy(): Promise<void> {
    while (!signal.aborted && (await deliveries.forget()));
  }

  /** Repeats `work` until `stop`; an error is reported and does not end the loop. */
  async function repeat(work: () => Promise<void>, interval: number): Promise<void> {
    while (!signal.aborted) {
      await work().catch(onError);
      await delay(interval, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  return {
    start(): void {
      rounds.push(repeat(claimAll, poll), repeat(measure, measuring), repeat(tidy, tidying));
    },

    /** Call it after deliveries were committed: they are claimed within 200 ms instead of at the next poll. */
    wake: () => bell.ring(),

    /** Stops claiming and waits for running attempts; those that take longer than this are aborted and become due again. */
    async stop(milliseconds: number): Promise<void> {
      stopping.abort();
      bell.ring();
      const grace = setTimeout(() => deliver.giveUp(), milliseconds);
      await Promise.all(rounds);
      while (running.size > 0) await Promise.all(running);
      clearTimeout(grace);
      await deliver.close();
    },
  };
}
