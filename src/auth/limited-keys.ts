import { bounded } from './bounded-map.ts';

/** Keys that are remembered at most. */
const capacity = 10_000;

/**
 * Keys that were refused for a rate limit, each until the window that refused it ends: the next requests of such a key
 * are likely to be refused too, so nothing is prepared for them. Decides nothing.
 */
export function limitedKeys() {
  const ends = bounded<number>(capacity);
  return {
    /** @param seconds after which the key gets through again */
    note: (hash: string, seconds: number): void => ends.set(hash, performance.now() + seconds * 1_000),

    has(hash: string): boolean {
      const end = ends.get(hash);
      if (end === undefined || end > performance.now()) return end !== undefined;
      ends.delete(hash);
      return false;
    },
  };
}
