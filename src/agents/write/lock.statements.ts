/** SQL that limits each lock wait in the rest of the transaction to 100 ms. */
export const shortLockWait = `set_config('lock_timeout', '100ms', true)`;

/** $1 id: locks the row of the agent until the transaction ends. */
export const lockSql = `SELECT id FROM agent WHERE id = $1::uuid FOR NO KEY UPDATE`;

/**
 * $1 id: the same, with each lock wait of the transaction limited to 100 ms. PostgreSQL locks rows at the end of a
 * statement, so the limit that the statement itself sets applies to its own lock.
 */
export const lockSoonSql = `
  SELECT a.id, wait.* FROM agent a, (SELECT ${shortLockWait}) wait WHERE a.id = $1::uuid FOR NO KEY UPDATE OF a`;
