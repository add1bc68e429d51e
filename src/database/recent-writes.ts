export type RecentWrites = ReturnType<typeof recentWrites>;

/**
 * Remembers when this process last wrote a row, so that a row that was read before is read again instead of causing a
 * conflict. Only an optimization: the database compares versions and times.
 * @param limit rows that are remembered; anything read before the last write of a forgotten row counts as outdated
 */
export function recentWrites(limit = 1_024) {
  /** Counts reads and writes, so that they have one order. */
  let count = 0;
  /** The place of the last write of each row, oldest first. */
  const written = new Map<string, number>();
  let lastForgotten = 0;

  return {
    /** Call it before a read is sent. Returns the place of the read in the order of reads and writes. */
    beginRead(): number {
      count += 1;
      return count;
    },

    /** Call it when a row was written and the database has answered. */
    wrote(id: string): void {
      count += 1;
      // Delete first: a Map keeps the place of an existing key.
      written.delete(id);
      written.set(id, count);
      for (const [oldest, at] of written) {
        if (written.size <= limit) break;
        written.delete(oldest);
        lastForgotten = at;
      }
    },

    /** Whether this process has not written a row since it was read at this place in the order. */
    isCurrent: (id: string, readOrder: number): boolean => readOrder > (written.get(id) ?? lastForgotten),
  };
}
