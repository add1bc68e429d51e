/** Calls that are collected into batches: lookups of keys, changes of agents together, changes of one agent alone. */
export const batched = ['keys', 'changes', 'changes alone'] as const;

type Batched = (typeof batched)[number];

/**
 * Why a change is retried: another change was written first, or the row was locked (`lost`); its batch was rolled back
 * (`undone`); the wait for the lock of a row or an idempotency key timed out (`held`).
 */
export const retryReasons = ['lost', 'undone', 'held'] as const;

export type RetryReason = (typeof retryReasons)[number];

/** The reason of a 429: a key over its limits, or an address that sent too many refused keys. */
export const rateLimitReasons = ['key', 'address'] as const;

/** The use of the connections to the database: calls `waiting` for one, busy connections, idle connections. */
export type PoolUse = Readonly<Record<'busy' | 'idle' | 'waiting', number>>;

/** The result of an attempt to deliver an event; PENDING will be retried. */
type Delivered = 'DELIVERED' | 'FAILED' | 'PENDING';

/** The state of webhooks in the database, and of what this process sent since it was measured last. */
interface WebhookMeasures {
  /**
   * Seconds by which the delivery that has been due longest is late, or the longest wait for a first attempt if that is longer.
   * Failing endpoints do not count.
   */
  readonly overdueSeconds: number;
  readonly disabledEndpoints: number;
}

/** Called for each event that is measured. Must be quick and must not throw. */
export interface Meter {
  /**
   * @param route the route's pattern, or null where there is none
   * @param status null if the client closed the connection before the answer
   * @param code of the problem that was answered; null on success
   */
  request(method: string, route: string | null, status: number | null, code: string | null, seconds: number): void;
  /** A batch begins. @param waited seconds that its first call has waited for it */
  batch(of: Batched, size: number, waited: number): void;
  /** Calls left the queue: their batch began, or their time was up. @param left calls that wait on */
  queue(of: Batched, left: number): void;
  repeated(why: RetryReason): void;
  rateLimited(whom: (typeof rateLimitReasons)[number]): void;
  /** Whether the counts for rate limits are shared by all replicas now; called only with REDIS_URL. */
  countsAreShared(isShared: boolean): void;
  delivery(outcome: Delivered): void;
  webhooks(measures: WebhookMeasures): void;
}

export const silent: Meter = {
  request() {},
  batch() {},
  queue() {},
  repeated() {},
  rateLimited() {},
  countsAreShared() {},
  delivery() {},
  webhooks() {},
};
