import type { Room } from './claim.statements.ts';
import type { Claimed } from './delivery.repository.ts';
import { connectionsPerEndpoint } from './pools.ts';

/**
 * Attempts that a process has under way at most, for endpoints that are well and for those whose last attempt failed. Apart,
 * since a dead receiver holds an attempt for 10 s: however many are dead, they take no place from the others.
 */
const healthySlots = 512;
const failingSlots = 128;

/** Attempts at one endpoint that fails: enough to find out that it is back. */
const perFailing = 2;

type Kind = 'healthy' | 'failing';

/** Counts the attempts that are under way in this process. */
export function slotsOf() {
  const free: Record<Kind, number> = { healthy: healthySlots, failing: failingSlots };
  const underWay = new Map<string, number>();

  function count(endpointId: string, change: number): void {
    const now = (underWay.get(endpointId) ?? 0) + change;
    if (now > 0) underWay.set(endpointId, now);
    else underWay.delete(endpointId);
  }

  return {
    /** @returns gives the place back; once */
    take({ endpointId, isFailing }: Claimed): () => void {
      const kind = isFailing ? 'failing' : 'healthy';
      free[kind] -= 1;
      count(endpointId, 1);
      return () => {
        free[kind] += 1;
        count(endpointId, -1);
      };
    },

    /** Whether there is room for deliveries of a kind, or of any. */
    hasRoom: (kind?: Kind): boolean => (kind ? free[kind] > 0 : free.healthy > 0 || free.failing > 0),

    room: (): Room => ({
      healthy: Math.max(0, free.healthy),
      failing: Math.max(0, free.failing),
      perHealthy: connectionsPerEndpoint,
      perFailing,
      underWay,
    }),
  };
}
