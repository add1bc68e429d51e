export type RecentWrites = ReturnType<typeof recentWrites>;

/**
 * Remembers that rows were written by this process, never what: a row that was read before its last write is read again
 * instead of being written in vain. Nothing is decided by it: the database compares versions.
 * @param limit rows that are remembered; what was read before the last write of a forgotten one is read again too
 */
export function recentWrites(limit = 1_024) {
  /** Counts reads and writes, which puts them into one order. */
  let count = 0;
  /** The last write of each row, in the order of these writes. */
  const written = new Map<string, number>();
  let lastForgotten = 0;

  return {
    /** A read is about to be sent. Returns its place in the order of reads and writes. */
    read(): number {
      count += 1;
      return count;
    },

    /** A row was written, and its answer has arrived. */
    wrote(id: string): void {
      count += 1;
      // Deleted first, so that the map stays in the order of writing.
      written.delete(id);
      written.set(id, count);
      for (const [oldest, at] of written) {
        if (written.size <= limit) break;
        written.delete(oldest);
        lastForgotten = at;
      }
    },

    /** Whether a row that was read at a place in the order was not written since. */
    isCurrent: (id: string, readAt: number): boolean => readAt > (written.get(id) ?? lastForgotten),
  };
}
