import type { FreeSlots } from './claim.statements.ts';
import type { Claimed } from './delivery.repository.ts';

/**
 * Attempts that a process runs at the same time, for endpoints whose last attempt succeeded and for those whose last
 * attempt failed. Separate limits: an attempt at a dead receiver takes 10 s, and must not take a slot from the others.
 */
const healthySlots = 512;
const failingSlots = 128;

/** Attempts at one healthy endpoint at the same time. */
export const perHealthy = 16;

/** Attempts at one failing endpoint at the same time: enough to notice that it works again. */
const perFailing = 2;

type Kind = 'healthy' | 'failing';

/** Counts the running attempts of this process. */
export function slotsOf() {
  const left: Record<Kind, number> = { healthy: healthySlots, failing: failingSlots };
  const running = new Map<string, number>();

  function count(endpointId: string, change: number): void {
    const now = (running.get(endpointId) ?? 0) + change;
    if (now > 0) running.set(endpointId, now);
    else running.delete(endpointId);
  }

  return {
    /** Takes a slot for a claimed delivery. @returns frees the slot; call it once */
    take({ endpointId, isFailing }: Claimed): () => void {
      const kind = isFailing ? 'failing' : 'healthy';
      left[kind] -= 1;
      count(endpointId, 1);
      return () => {
        left[kind] += 1;
        count(endpointId, -1);
      };
    },

    /** Whether the endpoint of a running attempt has all the attempts that it can have at the same time. */
    isFull: ({ endpointId, isFailing }: Pick<Claimed, 'endpointId' | 'isFailing'>): boolean =>
      (running.get(endpointId) ?? 0) >= (isFailing ? perFailing : perHealthy),

    /** Whether a slot of a kind is left; without a kind, whether any is. */
    hasFreeSlot: (kind?: Kind): boolean => (kind ? left[kind] > 0 : left.healthy > 0 || left.failing > 0),

    free: (): FreeSlots => ({
      healthy: Math.max(0, left.healthy),
      failing: Math.max(0, left.failing),
      perHealthy,
      perFailing,
      running,
    }),
  };
}
