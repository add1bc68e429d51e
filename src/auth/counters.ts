import { type RateLimiterAbstract, RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/** What is counted, each in windows of so many seconds, which begin with the first count of an id. */
const windows = { minute: 60, hour: 3_600, refused: 60 } as const;

type WindowName = keyof typeof windows;

/** What was counted in a window. */
export interface Count {
  readonly used: number;
  /** Milliseconds until the window ends. */
  readonly endsIn: number;
}

/** Counts in one kind of window. Knows no limit: keys have limits of their own, and those can change at any time. */
export interface Counter {
  /** Counts one more, at once for all who ask: no two calls get the same count. */
  add(id: string): Promise<Count>;
  /** Counts one less. */
  takeBack(id: string): Promise<Count>;
  read(id: string): Promise<Count>;
}

export type Counters = Readonly<Record<WindowName, Counter>>;

/** The counts of this process alone. */
export function memoryCounters(): Counters {
  return countersOf((options) => new RateLimiterMemory(options));
}

interface LimiterOptions {
  /** Not looked at by what is called here, but demanded by the library. */
  readonly points: number;
  readonly duration: number;
  readonly keyPrefix: WindowName;
}

/** A counter for each kind of window, on whatever the library counts in. */
export function countersOf(open: (options: LimiterOptions) => RateLimiterAbstract): Counters {
  const counter = (keyPrefix: WindowName) => {
    const duration = windows[keyPrefix];
    return counterOn(open({ points: 0, duration, keyPrefix }), duration * 1_000);
  };
  return { minute: counter('minute'), hour: counter('hour'), refused: counter('refused') };
}

function counterOn(limiter: RateLimiterAbstract, length: number): Counter {
  const toCount = ({ consumedPoints, msBeforeNext }: RateLimiterRes): Count => ({
    used: consumedPoints,
    endsIn: msBeforeNext,
  });
  return {
    // Of all that the library has, `penalty` alone counts without judging.
    add: async (id) => toCount(await limiter.penalty(id)),
    takeBack: async (id) => toCount(await limiter.reward(id)),
    async read(id) {
      const found = await limiter.get(id);
      // In memory a window may be found that has just ended.
      return found && found.msBeforeNext > 0 ? toCount(found) : { used: 0, endsIn: length };
    },
  };
}
