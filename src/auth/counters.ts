/** Milliseconds. A fixed window begins with the first count of an id in it, and ends when its time is over. */
export const lengths = { minute: 60_000, hour: 3_600_000, refused: 60_000 } as const;

type WindowName = keyof typeof lengths;

/** A kind of window, and how many it has room for: keys have limits of their own, and those can change at any time. */
export interface Limit {
  readonly name: WindowName;
  readonly limit: number;
}

/** What is counted of an id in a window. */
export interface Count extends Limit {
  readonly used: number;
  /** Milliseconds until the window ends; the whole length of one that has not begun. */
  readonly endsIn: number;
  /** The same as a time: milliseconds since 1970, by the clock of the machine that counts. */
  readonly endsAt: number;
}

export interface Counted {
  /** False where one of the windows was full: then nothing was counted in any of them. */
  readonly isCounted: boolean;
  /** In the order in which they were given. */
  readonly counts: readonly Count[];
}

export interface Counters {
  /** Counts an id once in all of the given windows, or in none. No two calls get the last room of a window. */
  count(id: string, limits: readonly Limit[]): Promise<Counted>;
}

/** Addresses that are counted at most: anybody can send refused keys. Past them, the oldest window is forgotten. */
const mostAddresses = 100_000;

/** The counts of this process alone. Windows last as long as they should, also when the machine's clock is set. */
export function memoryCounters(): Counters {
  const opened = { minute: windows(lengths.minute), hour: windows(lengths.hour), refused: windows(lengths.refused) };
  return {
    async count(id, limits) {
      // Whole milliseconds, so that a wait of as many ends with the window.
      const now = Math.round(performance.now());
      const found = limits.map(({ name }) => opened[name].find(id, now));
      const isCounted = limits.every(({ limit }, at) => (found[at]?.used ?? 0) < limit);
      const counts = limits.map(({ name, limit }, at) => {
        const window = isCounted ? opened[name].add(id, now) : found[at];
        const endsIn = window ? window.end - now : lengths[name];
        return { name, limit, used: window?.used ?? 0, endsIn, endsAt: Date.now() + endsIn };
      });
      if (opened.refused.size() > mostAddresses) opened.refused.forgetOldest();
      return { isCounted, counts };
    },
  };
}

/** Windows of one length, by id, in the order in which they began: so they end in that order too. */
function windows(length: number) {
  const byId = new Map<string, { used: number; readonly end: number }>();

  /** Removes the ended windows first. */
  function find(id: string, now: number) {
    for (const [oldest, { end }] of byId) {
      if (end > now) break;
      byId.delete(oldest);
    }
    return byId.get(id);
  }

  return {
    find,
    add(id: string, now: number) {
      const window = byId.get(id) ?? { used: 0, end: now + length };
      window.used += 1;
      byId.set(id, window);
      return window;
    },
    size: () => byId.size,
    forgetOldest() {
      for (const oldest of byId.keys()) {
        byId.delete(oldest);
        return;
      }
    },
  };
}
