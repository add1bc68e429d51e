import type pg from 'pg';

/**
 * Connections of a pool that can be trusted. Where a statement got no answer, not even that it took too long, a network or
 * a machine may have forgotten all connections of that time without a word: each would cost a request its whole time.
 */
export function trusted(pool: pg.Pool) {
  const openedAt = new WeakMap<pg.ClientBase, number>();
  let since = 0;
  pool.on('connect', (client) => {
    openedAt.set(client, performance.now());
    // One that breaks between two statements of a transaction fails the next of them. Unheard, it would end the process.
    client.on('error', () => {});
  });

  return {
    async connect(): Promise<pg.PoolClient> {
      for (;;) {
        const client = await pool.connect();
        if ((openedAt.get(client) ?? 0) >= since) return client;
        client.release(true);
      }
    },

    /** Told of the error of a statement, which it throws again. */
    distrust(error: unknown): never {
      if (error instanceof Error && error.message === 'Query read timeout') since = performance.now();
      throw error;
    },
  };
}
