/** Lengths of the fixed windows in milliseconds. A window begins with the first count of an id. */
export const lengths = { minute: 60_000, hour: 3_600_000, refused: 60_000 } as const;

type WindowName = keyof typeof lengths;

/** A window and its limit. The limit is given with each count: a key's own limit can change at any time. */
export interface Limit {
  readonly name: WindowName;
  readonly limit: number;
}

/** The count of an id in a window. */
export interface Count extends Limit {
  readonly used: number;
  /** Milliseconds until the window ends; its full length if it has not begun. */
  readonly endsIn: number;
  /** The end of the window in milliseconds since 1970, by the clock of the machine that counts. */
  readonly endsAt: number;
}

export interface Counted {
  /** False if one of the windows was full; then no window was changed. */
  readonly isCounted: boolean;
  /** One for each limit, in the order of the call. */
  readonly counts: readonly Count[];
}

export interface Counters {
  /** Counts an id once in all of the given windows, or in none. Atomic: two calls cannot both take the last place. */
  count(id: string, limits: readonly Limit[]): Counted | Promise<Counted>;
}

/** Maximum number of addresses whose refused keys are counted, to limit the memory. */
const maxAddresses = 100_000;

/** Counts in the memory of this process. Setting the machine's clock does not change the length of windows. */
export function memoryCounters(): Counters {
  const refused = windows(lengths.refused, maxAddresses);
  const opened = { minute: windows(lengths.minute), hour: windows(lengths.hour), refused };
  return {
    count(id, limits) {
      // Whole milliseconds, so that a client that waits `endsIn` does not come before the end of the window.
      const now = Math.round(performance.now());
      const found = limits.map(({ name }) => opened[name].find(id, now));
      const isCounted = limits.every(({ limit }, at) => (found[at]?.used ?? 0) < limit);
      const counts = limits.map(({ name, limit }, at) => {
        const window = isCounted ? opened[name].add(id, now) : found[at];
        const endsIn = window ? window.end - now : lengths[name];
        return { name, limit, used: window?.used ?? 0, endsIn, endsAt: Date.now() + endsIn };
      });
      return { isCounted, counts };
    },
  };
}

/**
 * Windows of one length, by id, in the order in which they began, which is the order in which they end.
 * @param capacity their maximum number; the oldest one is removed first
 */
export function windows(length: number, capacity = Number.POSITIVE_INFINITY) {
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
      const oldest = byId.size > capacity ? byId.keys().next().value : undefined;
      if (oldest !== undefined) byId.delete(oldest);
      return window;
    },
  };
}
