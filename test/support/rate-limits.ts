import { onTestFinished, vi } from 'vitest';
import type { Answer } from './http.ts';

interface Window {
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds. */
  readonly reset: number;
}

/** The rate limits in an answer's headers; a window without headers is absent. */
export interface RateLimits {
  readonly minute?: Window;
  readonly hour?: Window;
  readonly retryAfter?: number;
}

export function limitsIn({ headers }: Answer): RateLimits {
  const number = (name: string) => Number(headers[name]);
  const window = (name: 'minute' | 'hour') => {
    const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((what) => `x-ratelimit-${what}-${name}`);
    const isTold = [limit, remaining, reset].some((header) => header !== undefined && header in headers);
    if (!isTold || !limit || !remaining || !reset) return {};
    return { [name]: { limit: number(limit), remaining: number(remaining), reset: number(reset) } };
  };
  return {
    ...window('minute'),
    ...window('hour'),
    ...('retry-after' in headers && { retryAfter: number('retry-after') }),
  };
}

/** A time that is no whole second. */
const start = Date.parse('2030-01-01T00:00:00.250Z');

/** The value of `performance.now()` at the end of a test that had stopped it. */
let latest = 0;

/** Stops the clocks of this process, and so of the servers in it, until the end of the test. */
export function stopClock() {
  latest = Math.ceil(Math.max(latest, performance.now()));
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  // A stopped clock begins at 0, and `performance.now()` must never go back.
  vi.advanceTimersByTime(latest);
  vi.setSystemTime(start);
  onTestFinished(() => {
    latest = performance.now();
    vi.useRealTimers();
  });
  let passed = 0;
  return {
    /** Sets the time to `seconds` seconds after the stop. */
    at(seconds: number): void {
      vi.advanceTimersByTime(seconds * 1_000 - passed);
      passed = seconds * 1_000;
    },
    /**
     * Sets the machine's clock forward or back by seconds, as an administrator or a time service does, while no time
     * passes.
     */
    set: (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000),
    /** Unix seconds, rounded up, of the time that many seconds after the stop. */
    unix: (seconds: number) => Math.ceil(start / 1_000 + seconds),
  };
}
