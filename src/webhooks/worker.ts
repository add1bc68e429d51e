import { setTimeout as delay } from 'node:timers/promises';
import { group } from '../database/group.ts';
import type { Meter } from '../metrics/meter.ts';
import { alarm } from './alarm.ts';
import type { Attempt, Deliver } from './deliver.ts';
import type { Claimed, DeliveryRepository } from './delivery.repository.ts';
import type { Ended } from './finish.statements.ts';
import { endedAs, givenBack, notGranted, unreadable } from './outcome.ts';
import { slotsOf } from './slots.ts';

interface Options {
  readonly deliveries: DeliveryRepository;
  readonly deliver: Deliver;
  /** What is sent; throws where the secret of the endpoint cannot be read. */
  readonly open: (claimed: Claimed) => Attempt;
  readonly meter: Meter;
  /** Told of what failed, for the log. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds after which an idle worker claims again, unless it is woken. */
const poll = 1_000;

/** Milliseconds between two claims at least, when the last one found something, and when it found nothing. */
const shortPause = 20;
const longPause = 200;

/** Milliseconds until an outcome that could not be written is tried again. */
const retryPause = 1_000;

/** Milliseconds between measurements, and between two rounds of deleting what is kept no longer. */
const measuring = 15_000;
const tidying = 60_000;

/** Milliseconds that writing an outcome is tried for. A claim that is lost by then is another process's. */
const finishing = 9_000;

/** Outcomes that one statement writes at most. */
const together = 128;

const full = { claimed: [], hasMore: false };

export type Worker = ReturnType<typeof webhookWorker>;

/**
 * Sends the deliveries that are due, beside all other processes on the same database (docs/contract.md#webhooks).
 *
 * Claim, attempt, outcome: a claim takes what is due, under a lease that a process that dies loses; outcomes are
 * written together, and what follows in the same line is claimed with them.
 */
export function webhookWorker({ deliveries, deliver, open, meter, onError }: Options) {
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
      const written = await deliveries.finish(ended);
      const done = ended.filter(({ id, status }) => status !== 'PENDING' && written.has(id)).map(({ id }) => id);
      const next =
        done.length > 0 ? await deliveries.next(done, slots.hasRoom('healthy') && !signal.aborted) : new Map();
      return ended.map(({ id }) => ({ result: next.get(id) }));
    },
  });

  /** Writes an outcome; after a while it is left to the end of the lease. */
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

  /** Carries a claimed delivery to its outcome, then those that follow in its line. */
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

  /** Asks at most 50 times a second while deliveries come, and 5 times while those who wake it write none. */
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

  /** Does something again and again until the end; an error is told, and does not end it. */
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

    /** Deliveries were committed: they are looked for soon, not only at the next poll. */
    wake: () => bell.ring(),

    /** Claims no more, and lets attempts under way end; those that take longer are given back. */
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
