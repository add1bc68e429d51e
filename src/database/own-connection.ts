import type { Query } from './statement.ts';
import { TrustedPool } from './trusted-pool.ts';

/** Milliseconds for a connection, and for the answer of a statement. */
const limit = 2_000;

/**
 * One connection besides the pool, for statements that must neither wait for requests nor delay them. Opened at the first
 * statement, and again after a failure. Statements are not prepared by name. `query` throws the errors of `pg`.
 */
export function ownConnection(url: string): { readonly query: Query; close(): Promise<void> } {
  const pool = new TrustedPool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: limit,
    query_timeout: limit,
    idleTimeoutMillis: 0,
    // A standby answers too. After a failover, a new connection leads to the new primary.
    maxLifetimeSeconds: 20,
    application_name: 'interview-agents-api metrics',
  });
  // The next statement fails, which is enough.
  pool.on('error', () => {});
  return {
    query: async ({ text, values }) => (await pool.query(text, [...values])).rows,
    close: () => pool.end(),
  };
}
