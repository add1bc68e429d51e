/** The unique index of idempotency_key, by which a unique violation of a key is recognized. */
export const idempotencyIndex = 'idempotency_key_pkey';

/**
 * How long the answer to a request with an Idempotency-Key is kept (docs/contract.md#retries). A shorter time needs a
 * migration: the trigger `idempotency_key_delete_values` does not let the server's role delete younger answers.
 */
export const keptFor = `interval '24 hours'`;

/** SQL for a row of idempotency_key as a `KeptJson`. */
export const keptJson = (table: string) =>
  `json_build_object('fingerprint', ${table}.fingerprint, 'agent', ${table}.agent,
                     'changedFields', ${table}.changed_fields, 'updatedAt', ${table}.updated_at)`;

/** $1 id of the API key, $2 idempotency key: selects the kept answer, as text for `parseExact`. */
export const keptSql = `
  SELECT ${keptJson('k')}::text AS kept FROM idempotency_key k
   WHERE k.api_key_id = $1::uuid AND k.key = $2 AND k.created_at > now() - ${keptFor}`;

/** $1 id of the API key, $2 idempotency key: deletes the answer under it if it is older than 24 hours. */
export const deleteExpiredSql = `
  DELETE FROM idempotency_key k WHERE k.api_key_id = $1::uuid AND k.key = $2 AND k.created_at <= now() - ${keptFor}`;

/**
 * $1 limit: deletes at most this number of answers older than 24 hours; none while another process does this. Rows are deleted by
 * their `ctid`: with a join on the keys, the planner would read the whole table.
 */
export const deleteOldAnswersSql = `
  DELETE FROM idempotency_key
   WHERE (SELECT pg_try_advisory_xact_lock(7214839, 4)) AND ctid = ANY(ARRAY(
         SELECT k.ctid FROM idempotency_key k WHERE k.created_at <= now() - ${keptFor}
          ORDER BY k.created_at LIMIT $1::int))
  RETURNING key`;
