import { constant, sql } from '../../database/statement.ts';

// Raw, since Prisma locks no rows and limits no waits for a lock.

const shortLockWait = constant(`set_config('lock_timeout', '100ms', true)`);

/** Limits each lock wait in the rest of the transaction to 100 ms. */
export const shortWaitStatement = sql`SELECT ${shortLockWait}`;

/** Locks the row of an agent until the transaction ends. */
export const lockStatement = (id: string) => sql`SELECT id FROM agent WHERE id = ${id}::uuid FOR NO KEY UPDATE`;

/**
 * The same, with each lock wait of the transaction limited to 100 ms. PostgreSQL locks rows at the end of a statement, so the
 * limit that the statement itself sets applies to its own lock.
 */
export const lockSoonStatement = (id: string) => sql`
  SELECT a.id, wait.* FROM agent a, (SELECT ${shortLockWait}) wait WHERE a.id = ${id}::uuid FOR NO KEY UPDATE OF a`;
