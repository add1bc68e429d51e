import { silent } from '../metrics/meter.ts';
import { senderOf } from './address.ts';
import type { Count, Counters, Limit } from './counters.ts';

/** How many requests are let through in each window; 0 is no limit. */
export interface Quotas {
  readonly perMinute: number;
  readonly perHour: number;
  /** Refused keys of one address. */
  readonly refusedPerMinute: number;
}

/** A key, with its own quotas where it has some. */
interface LimitedKey {
  readonly id: string;
  readonly perMinute: number | null;
  readonly perHour: number | null;
}

export interface Verdict {
  /** The windows that limit the key, as they are once the request has been counted: `minute`, `hour`, both or none. */
  readonly windows: readonly Count[];
  /** Of a request that is one too many: the whole seconds after which the next one gets through. */
  readonly wait?: number;
}

export type RateLimits = ReturnType<typeof rateLimits>;

/**
 * Fixed windows: each begins with the first request that is counted in it, and ends when its time is over. What is refused
 * is not counted. So `wait` holds also for a caller who never stops, and a limit that is raised has room at once.
 */
export function rateLimits(quotas: Quotas, counters: Counters, meter = silent) {
  return {
    /** Counts a request of a key. One that is refused uses up nothing, in either window. */
    async count({ id, perMinute, perHour }: LimitedKey): Promise<Verdict> {
      const limits = limited([
        { name: 'minute', limit: perMinute ?? quotas.perMinute },
        { name: 'hour', limit: perHour ?? quotas.perHour },
      ]);
      if (limits.length === 0) return { windows: [] };
      const { isCounted, counts } = await counters.count(id, limits);
      if (isCounted) return { windows: counts };
      meter.rateLimited('key');
      return { windows: counts, wait: waitOf(counts) };
    },

    /**
     * Counts a refused key against its address.
     * @returns the whole seconds after which the address is listened to again, where it sent too many
     */
    async countRefused(address: string | undefined): Promise<number | undefined> {
      const limits = limited([{ name: 'refused', limit: quotas.refusedPerMinute }]);
      if (limits.length === 0) return undefined;
      const { isCounted, counts } = await counters.count(senderOf(address), limits);
      if (isCounted) return undefined;
      meter.rateLimited('address');
      return waitOf(counts);
    },
  };
}

const limited = (limits: readonly Limit[]) => limits.filter(({ limit }) => limit > 0);

/** Until the last full window ends, in whole seconds, rounded up: who waits that long must get through. */
function waitOf(counts: readonly Count[]): number {
  const full = counts.filter(({ used, limit }) => used >= limit);
  return Math.max(...full.map(({ endsIn }) => Math.ceil(endsIn / 1_000)));
}
