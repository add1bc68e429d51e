import { silent } from '../metrics/meter.ts';
import { senderOf } from './address.ts';
import type { Count, Counters } from './counters.ts';

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

/** A window that limits a key, as it is once a request has been counted. */
export interface LimitedWindow extends Count {
  readonly name: 'minute' | 'hour';
  readonly limit: number;
}

export interface Verdict {
  /** Those that have a limit. */
  readonly windows: readonly LimitedWindow[];
  /** Of a request that is one too many: the whole seconds after which the next one gets through. */
  readonly wait?: number;
}

export type RateLimits = ReturnType<typeof rateLimits>;

/**
 * Fixed windows: each begins with the first request that is counted in it, and ends when its time is over, whatever was
 * refused meanwhile. So `wait` holds also for a caller who never stops.
 */
export function rateLimits(quotas: Quotas, counters: Counters, meter = silent) {
  return {
    /** Counts a request of a key. One that is refused uses up nothing, in either window. */
    async count({ id, perMinute, perHour }: LimitedKey): Promise<Verdict> {
      const minuteLimit = perMinute ?? quotas.perMinute;
      const hourLimit = perHour ?? quotas.perHour;
      if (minuteLimit === 0 && hourLimit === 0) return unlimited;
      // One after the other: what the first refuses must not be in the second, not even for a moment.
      const minute = await inMinute(id, minuteLimit);
      const isOver = minute !== undefined && minute.used > minute.limit;
      const hour = await inHour(id, hourLimit, isOver);
      if (!isOver && (!hour || hour.used <= hour.limit)) return { windows: present(minute, hour) };
      meter.rateLimited('key');
      if (isOver) return verdict(minute, hour);
      return verdict(minute && (await takeBack(id, minute)), hour);
    },

    /**
     * Counts a refused key against its address.
     * @returns the whole seconds after which the address is listened to again, where it sent too many
     */
    async countRefused(address: string | undefined): Promise<number | undefined> {
      if (quotas.refusedPerMinute === 0) return undefined;
      const { used, endsIn } = await counters.refused.add(senderOf(address));
      if (used <= quotas.refusedPerMinute) return undefined;
      meter.rateLimited('address');
      return toSeconds(endsIn);
    },
  };

  async function inMinute(id: string, limit: number): Promise<LimitedWindow | undefined> {
    return limit === 0 ? undefined : { name: 'minute', limit, ...(await counters.minute.add(id)) };
  }

  async function inHour(id: string, limit: number, isRefused: boolean): Promise<LimitedWindow | undefined> {
    if (limit === 0) return undefined;
    const count = await (isRefused ? counters.hour.read(id) : counters.hour.add(id));
    return { name: 'hour', limit, ...count };
  }

  /** A window that is about to end keeps its count: taken back too late, it would be a gift to the next one. */
  async function takeBack(id: string, minute: LimitedWindow): Promise<LimitedWindow> {
    return minute.endsIn < 1_000 ? minute : { ...minute, ...(await counters.minute.takeBack(id)) };
  }
}

function verdict(minute: LimitedWindow | undefined, hour: LimitedWindow | undefined): Verdict {
  const windows = present(minute, hour);
  const waits = windows.filter(({ used, limit }) => used >= limit).map(({ endsIn }) => toSeconds(endsIn));
  return { windows, wait: Math.max(...waits) };
}

const unlimited: Verdict = { windows: [] };

const present = (...some: (LimitedWindow | undefined)[]) => some.filter((one) => one !== undefined);

/** Rounded up: who waits that long must get through. */
const toSeconds = (milliseconds: number) => Math.ceil(milliseconds / 1_000);
