import { bounded } from './bounded-map.ts';

/** Keys that are remembered, at most. */
const capacity = 10_000;

/**
 * Remembers keys that exceeded a rate limit, until a request of the key is within its limits or the window ends. For these,
 * the agent is not read together with the key, since the request is probably refused too. Only an optimization: the counters
 * decide.
 */
export function limitedKeys() {
  const ends = bounded<number>(capacity);
  return {
    /** @param seconds until the next request of the key is allowed */
    note: (hash: string, seconds: number): void => ends.set(hash, performance.now() + seconds * 1_000),

    /** A request of the key was within its limits: they were raised, or another process counts now. */
    forget: (hash: string): void => ends.delete(hash),

    has(hash: string): boolean {
      const end = ends.get(hash);
      if (end === undefined || end > performance.now()) return end !== undefined;
      ends.delete(hash);
      return false;
    },
  };
}
