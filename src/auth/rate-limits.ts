import { senderOf } from '../http/address.ts';
import { silent } from '../metrics/meter.ts';
import type { Count, Counted, Counters, Limit } from './counters.ts';
import type { FoundKey } from './row.schema.ts';

/** The server's limits for each window; 0 is no limit. */
export interface Quotas {
  readonly perMinute: number;
  readonly perHour: number;
  /** Refused keys from one address. */
  readonly refusedPerMinute: number;
}

export interface Verdict {
  /** The windows that limit the key, after this request was counted: `minute`, `hour`, both or none. */
  readonly windows: readonly Count[];
  /** Set for a request over the limit: the whole seconds until the next one is allowed. */
  readonly wait?: number;
}

export type RateLimits = ReturnType<typeof rateLimits>;

/**
 * Rate limits by fixed windows. A window begins with the first request that is counted in it. Refused requests are not
 * counted: a client that keeps sending is let through after `wait` all the same, and a raised limit takes effect at once.
 */
export function rateLimits(quotas: Quotas, counters: Counters, meter = silent) {
  function judge(whom: 'key' | 'address', { isCounted, counts }: Counted): Verdict {
    if (isCounted) return { windows: counts };
    meter.rateLimited(whom);
    return { windows: counts, wait: waitOf(counts) };
  }

  return {
    /** Counts a request of a key. If one window is full, the request is counted in neither. */
    count({ id, perMinute, perHour }: Pick<FoundKey, 'id' | 'perMinute' | 'perHour'>): Verdict | Promise<Verdict> {
      const limits = limited([
        { name: 'minute', limit: perMinute ?? quotas.perMinute },
        { name: 'hour', limit: perHour ?? quotas.perHour },
      ]);
      if (limits.length === 0) return unlimited;
      const counted = counters.count(id, limits);
      return counted instanceof Promise ? counted.then((later) => judge('key', later)) : judge('key', counted);
    },

    /**
     * Counts a refused key for the address that sent it.
     * @returns the whole seconds until the address may send again, if it sent too many; else undefined
     */
    async countRefused(address: string | undefined): Promise<number | undefined> {
      const limits = limited([{ name: 'refused', limit: quotas.refusedPerMinute }]);
      if (limits.length === 0) return undefined;
      return judge('address', await counters.count(senderOf(address), limits)).wait;
    },
  };
}

const unlimited: Verdict = { windows: [] };

const limited = (limits: readonly Limit[]) => limits.filter(({ limit }) => limit > 0);

/** Seconds until the last full window ends, rounded up: after that wait, a request must be allowed. */
function waitOf(counts: readonly Count[]): number {
  const full = counts.filter(({ used, limit }) => used >= limit);
  return Math.max(...full.map(({ endsIn }) => Math.ceil(endsIn / 1_000)));
}
