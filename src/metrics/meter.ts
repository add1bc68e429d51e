/** Calls that are collected into batches: lookups of keys, changes of agents together, changes of one agent alone. */
export const batched = ['keys', 'changes', 'changes alone'] as const;

type Batched = (typeof batched)[number];

/**
 * Why a change is made once more: another came first, or its row was locked (`lost`); PostgreSQL undid its batch (`undone`);
 * it waited in vain for a row or an idempotency key that somebody holds (`held`).
 */
export const reasons = ['lost', 'undone', 'held'] as const;

export type Repeated = (typeof reasons)[number];

/** 429: for a key past its limits, or an address that sent too many refused keys. */
export const limited = ['key', 'address'] as const;

/** How connections to the database are used: calls `waiting` for one, and those that are busy or idle. */
export type PoolUse = Readonly<Record<'busy' | 'idle' | 'waiting', number>>;

/** What came of an attempt to deliver an event: it is tried again, or not. */
type Delivered = 'DELIVERED' | 'FAILED' | 'PENDING';

/** What waits to be delivered, whichever process does it. */
interface WebhookMeasures {
  /** How long the delivery that is due longest has waited past its time, in seconds, of endpoints that do not fail. */
  readonly overdueSeconds: number;
  readonly disabledEndpoints: number;
}

/** Is told what happens while the server works. Must be quick and must not throw. */
export interface Meter {
  /**
   * @param route the route's pattern, or null where there is none
   * @param status null where nobody read the answer
   * @param code of the problem that was answered; null on success
   */
  request(method: string, route: string | null, status: number | null, code: string | null, seconds: number): void;
  /** A batch begins. @param waited seconds that its first call has waited; `left` calls wait on */
  batch(of: Batched, size: number, waited: number, left: number): void;
  repeated(why: Repeated): void;
  rateLimited(whom: (typeof limited)[number]): void;
  /** Whether all replicas count together for the rate limits now; only told where they should. */
  countsAreShared(isShared: boolean): void;
  /** An attempt to deliver an event ended. */
  delivery(outcome: Delivered): void;
  webhooks(measures: WebhookMeasures): void;
}

/** Measures nothing. */
export const silent: Meter = {
  request() {},
  batch() {},
  repeated() {},
  rateLimited() {},
  countsAreShared() {},
  delivery() {},
  webhooks() {},
};
