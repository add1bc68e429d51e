import type { PreparedStatement } from '../../database/statement.ts';

/** SQL that limits each lock wait in the rest of the transaction to 100 ms. */
const shortLockWait = `set_config('lock_timeout', '100ms', true)`;

/** Limits each lock wait in the rest of the transaction to 100 ms. */
export const shortWaitStatement: PreparedStatement = { text: `SELECT ${shortLockWait}`, values: [] };

const lockSql = `SELECT id FROM agent WHERE id = $1::uuid FOR NO KEY UPDATE`;

/** Locks the row of an agent until the transaction ends. */
export const lockStatement = (id: string): PreparedStatement => ({ text: lockSql, values: [id] });

const lockSoonSql = `
  SELECT a.id, wait.* FROM agent a, (SELECT ${shortLockWait}) wait WHERE a.id = $1::uuid FOR NO KEY UPDATE OF a`;

/**
 * The same, with each lock wait of the transaction limited to 100 ms. PostgreSQL locks rows at the end of a statement, so the
 * limit that the statement itself sets applies to its own lock.
 */
export const lockSoonStatement = (id: string): PreparedStatement => ({ text: lockSoonSql, values: [id] });
