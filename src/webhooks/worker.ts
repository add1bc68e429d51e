import { setTimeout as delay } from 'node:timers/promises';
import type { KeySecrets } from '../auth/api-key.ts';
import type { Database } from '../database/client.ts';
import type { Meter } from '../metrics/meter.ts';
import { type Attempt, type AttemptLimits, attemptSender } from './attempt.ts';
import { type Claimed, deliveryRepository, type HealthChange, type Measures } from './delivery.repository.ts';
import type { DeliveryOutcome } from './finish.statements.ts';
import { givenBack, notGranted, outcomeOf, unreadable } from './outcome.ts';
import { outcomeWriter } from './outcome-writer.ts';
import { dnsResolver } from './resolver.ts';
import { sealer } from './sealer.ts';
import { openHeaders, openSecrets } from './secrets.ts';
import { slotsOf } from './slots.ts';
import type { Resolve, TargetRules } from './target.ts';

interface Options extends TargetRules, KeySecrets {
  readonly database: Pick<Database, 'query'>;
  readonly meter: Meter;
  /** Called with each error of a claim, an outcome, a measurement or a deletion, and of a decryption, for the log. */
  readonly onError: (error: unknown) => void;
  /** Called when an endpoint begins to fail, succeeds again or is disabled. */
  readonly onHealth: (change: HealthChange) => void;
  /** Resolves host names; DNS by default. */
  readonly resolve?: Resolve;
  /** By default those of production. */
  readonly attemptLimits?: Partial<AttemptLimits>;
  /** Milliseconds between two measurements; 15,000 by default. */
  readonly measureInterval?: number;
}

/** Milliseconds between claims of an idle worker, unless `wake` is called. */
const pollInterval = 1_000;

/** Minimum milliseconds between two claims: after one that found or postponed deliveries, and after one that found none. */
const shortPause = 20;
const longPause = 200;

/** Milliseconds between two deletions of old deliveries. */
const deleteInterval = 60_000;

/**
 * Milliseconds after which the deliveries of an agent give their slot to others of their endpoint, if it has no slot left.
 * Otherwise a few agents that change all the time would keep all others of the endpoint waiting.
 */
const longestTurn = 1_000;

const nothingClaimed: { claimed: readonly Claimed[]; hasMore: boolean } = { claimed: [], hasMore: false };

/**
 * Sends the deliveries that are due (docs/contract.md#webhooks). Any number of processes can do so on one database. Sends
 * nothing before `start`.
 *
 * A loop claims due deliveries under a lease, which ends by itself if the process crashes. Each claimed delivery is sent, its
 * outcome is written in a batch with others, and the next delivery of the same endpoint and agent is claimed with it.
 */
export function webhookWorker({ database, meter, onError, onHealth, resolve = dnsResolver(), ...given }: Options) {
  const { allowHttp, allowNetworks, attemptLimits: limits, measureInterval = 15_000 } = given;
  const deliveries = deliveryRepository(database);
  const sender = attemptSender({ resolve, allowHttp, allowNetworks, limits });
  const sealed = sealer(given);
  const slots = slotsOf();
  /** Ids of the endpoints that were reported because they cannot be decrypted, until one can be again. */
  const undecryptable = new Set<string>();
  let waking = new AbortController();
  // Asked first, since each call makes an error, and each change of an agent calls it.
  const wake = () => {
    if (!waking.signal.aborted) waking.abort();
  };
  const running = new Set<Promise<void>>();
  const loops: Promise<void>[] = [];
  const stopping = new AbortController();
  const { signal } = stopping;

  /**
   * The longest time, in seconds, from the creation of a delivery to its first attempt, of those attempted first since the last
   * measurement. Where a receiver is slower than its events come, the delivery behind each one that was sent is due only from
   * then on, so it is never overdue. It also counts what waited behind a failed delivery, or while its endpoint was disabled.
   */
  let longestWait = 0;

  const saveOutcome = outcomeWriter({ deliveries, onHealth, onError, signal });

  /** Decrypts what an attempt needs. @throws Error if this process lacks the API_KEY_SECRET of the endpoint, or it is damaged */
  function open(claimed: Claimed): Attempt {
    const { endpointId: id, url, eventId, body } = claimed;
    const endpoint = { ...claimed, id };
    return { url, eventId, body, secrets: openSecrets(endpoint, sealed), headers: openHeaders(endpoint, sealed) };
  }

  async function attempt(claimed: Claimed): Promise<DeliveryOutcome> {
    if (!claimed.isGranted) return notGranted(claimed);
    let opened: Attempt;
    try {
      opened = open(claimed);
      undecryptable.delete(claimed.endpointId);
    } catch (cause) {
      // Otherwise there would be a line for each agent and minute.
      if (!undecryptable.has(claimed.endpointId)) {
        undecryptable.add(claimed.endpointId);
        onError(new Error(`webhook ${claimed.endpointId} cannot be decrypted`, { cause }));
      }
      return unreadable(claimed);
    }
    const result = await sender.send(opened);
    return result ? outcomeOf(claimed, result) : givenBack(claimed);
  }

  /** Sends a claimed delivery and writes its outcome, then the same for the next ones of its endpoint and agent. */
  async function deliverInOrder(first: Claimed): Promise<void> {
    const since = performance.now();
    for (let claimed: Claimed | undefined = first; claimed; ) {
      const release = slots.take(claimed);
      const { endpointId, attempts, isFailing, age } = claimed;
      const outcome = await attempt(claimed);
      if (outcome.isAttempt && attempts === 0 && !isFailing) longestWait = Math.max(longestWait, age);
      if (outcome.isAttempt || outcome.status === 'FAILED') meter.delivery(outcome.status);
      const mayGoOn = () => {
        const isTurnOver = performance.now() - since > longestTurn && slots.isFull({ endpointId, isFailing });
        return slots.hasFreeSlot('healthy') && !signal.aborted && !isTurnOver;
      };
      claimed = await saveOutcome({ outcome, mayGoOn });
      release();
    }
    wake();
  }

  function start(claimed: Claimed): void {
    const delivering = deliverInOrder(claimed).finally(() => running.delete(delivering));
    running.add(delivering);
  }

  /** Claims at most 50 times a second while it finds or postpones deliveries, and 5 times while it is woken but finds none. */
  async function claimAll(): Promise<void> {
    let last = nothingClaimed;
    while (!signal.aborted) {
      last = slots.hasFreeSlot() ? await deliveries.claim(slots.free(), last.hasMore) : nothingClaimed;
      for (const one of last.claimed) start(one);
      await (last.hasMore ? delay(shortPause) : pause(last.claimed.length > 0 ? shortPause : longPause));
    }
  }

  /** Waits `least` milliseconds; then, unless `wake` was called since the last pause, until `wake` or the next poll. */
  async function pause(least: number): Promise<void> {
    await delay(least);
    await delay(pollInterval - least, undefined, { signal: waking.signal }).catch(() => {});
    waking = new AbortController();
  }

  /** The last measurement that succeeded, and when. */
  let measured: Measures = { overdueSeconds: 0, disabledEndpoints: 0 };
  let measuredAt = performance.now();

  async function measure(): Promise<void> {
    try {
      measured = await deliveries.measures();
      measuredAt = performance.now();
    } finally {
      // If it fails, as while claims take too long, deliveries may have been overdue since the last one: the alert must fire.
      const unknown = Math.floor((performance.now() - measuredAt) / 1_000);
      meter.webhooks({ ...measured, overdueSeconds: Math.max(measured.overdueSeconds, longestWait, unknown) });
      longestWait = 0;
    }
  }

  async function deleteOld(): Promise<void> {
    while (!signal.aborted && (await deliveries.deleteOld()));
  }

  /** Repeats `work` until `stop`; an error is reported and does not end the loop. */
  async function repeat(work: () => Promise<void>, interval: number): Promise<void> {
    while (!signal.aborted) {
      await work().catch(onError);
      await delay(interval, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  return {
    /** @param sends whether to claim and send deliveries; they are measured, and old ones deleted, in any case */
    start(sends: boolean): void {
      if (sends) loops.push(repeat(claimAll, pollInterval));
      loops.push(repeat(measure, measureInterval), repeat(deleteOld, deleteInterval));
    },

    /** Call it after deliveries were committed: they are claimed within 200 ms instead of at the next poll. */
    wake,

    /** Stops claiming and waits for running attempts; those that take longer than this are aborted and become due again. */
    async stop(milliseconds: number): Promise<void> {
      stopping.abort();
      wake();
      const grace = setTimeout(() => sender.abort(), milliseconds);
      await Promise.all(loops);
      while (running.size > 0) await Promise.all(running);
      clearTimeout(grace);
      await sender.close();
    },
  };
}
