import type { Query } from './client.ts';
import { TrustedPool } from './trusted-pool.ts';

/** Milliseconds for a connection, and for the answer of a statement. */
const limit = 2_000;

/**
 * One connection beside the pool, opened at the first statement and again after a failure: for what must not wait for the
 * requests, nor keep them waiting. Its statements have no names. `query` throws what `pg` throws.
 */
export function ownConnection(url: string): { readonly query: Query; close(): Promise<void> } {
  const pool = new TrustedPool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: limit,
    query_timeout: limit,
    idleTimeoutMillis: 0,
    application_name: 'interview-agents-api metrics',
  });
  // The next statement finds out.
  pool.on('error', () => {});
  return {
    query: async (sql, parameters) => (await pool.query(sql, [...parameters])).rows,
    close: () => pool.end(),
  };
}
