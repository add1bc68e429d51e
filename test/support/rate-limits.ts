import { onTestFinished, vi } from 'vitest';
import type { Answer } from './http.ts';

interface Window {
  readonly limit: number;
  readonly remaining: number;
  /** Unix seconds. */
  readonly reset: number;
}

/** What an answer says of rate limits: nothing of a window that it says nothing of. */
export interface Told {
  readonly minute?: Window;
  readonly hour?: Window;
  readonly retryAfter?: number;
}

export function toldBy({ headers }: Answer): Told {
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

/** A moment that is no whole second. */
const start = Date.parse('2030-01-01T00:00:00.250Z');

/** Stops the clock of this process, and so of the servers in it; it goes on when the test is over. */
export function stopClock() {
  vi.useFakeTimers({ toFake: ['Date'], now: start });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  return {
    /** Sets it to so many seconds after it was stopped. */
    at: (seconds: number) => vi.setSystemTime(start + seconds * 1_000),
    /** In Unix seconds, rounded up, so many seconds after it was stopped. */
    unix: (seconds: number) => Math.ceil(start / 1_000 + seconds),
  };
}
