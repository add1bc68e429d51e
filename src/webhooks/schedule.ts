const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Milliseconds to wait after the first failed attempt, the second, and so on: with the first one, ten attempts in all. */
const steps = [5 * second, 30 * second, 2 * minute, 10 * minute, hour, 3 * hour, 8 * hour, 12 * hour, day] as const;

/** Jitter: each wait is 80 % to 120 % of its step, so that deliveries that failed together are not retried together. */
const spread = 0.2;

/** Milliseconds without a successful attempt, counted from the first failure, after which an endpoint is disabled. */
export const longestFailure = 5 * day;

/** The upper limit for a `Retry-After`, in milliseconds. */
const longestRetryAfter = day;

interface Failure {
  /** Attempts so far, this one included. */
  readonly attempts: number;
  /** The header `Retry-After` of the answer, if it had one. */
  readonly retryAfter?: string | undefined;
  /** From 0 up to, not including, 1. */
  readonly random: number;
  readonly now: Date;
}

/**
 * Milliseconds until a delivery is tried again (docs/contract.md#webhooks). A `Retry-After` makes the wait longer, never
 * shorter.
 * @returns undefined after the last attempt
 */
export function nextWait({ attempts, retryAfter, random, now }: Failure): number | undefined {
  const step = steps[attempts - 1];
  if (step === undefined) return undefined;
  const own = step * (1 - spread + 2 * spread * random);
  return Math.round(Math.max(own, retryAfterWait(retryAfter, now)));
}

/**
 * Milliseconds that a `Retry-After` asks for (RFC 9110, section 10.2.3): seconds or a date. 0 for what is neither, or past.
 */
function retryAfterWait(text: string | undefined, now: Date): number {
  if (text === undefined) return 0;
  const wait = /^\d+$/.test(text) ? Number(text) * second : httpDate(text) - now.getTime();
  return wait > 0 ? Math.min(wait, longestRetryAfter) : 0;
}

/**
 * Milliseconds since 1970 of an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`; NaN for anything else. The pattern is
 * checked first, because `Date.parse` accepts other texts: it takes a number for a year.
 */
const httpDate = (text: string): number =>
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text) ? Date.parse(text) : Number.NaN;
