/** The unique index of idempotency_key: a request whose key is in it already is not carried out. */
export const idempotencyIndex = 'idempotency_key_pkey';

/**
 * How long an answer is kept for a request that is sent again (docs/contract.md#retries). A shorter time needs a migration:
 * the trigger `idempotency_key_delete_values` refuses the server's role to delete an answer before.
 */
export const keptFor = `interval '24 hours'`;

/** A row of idempotency_key, as a KeptJson. */
export const keptJson = (table: string) =>
  `json_build_object('fingerprint', ${table}.fingerprint, 'agent', ${table}.agent,
                     'changedFields', ${table}.changed_fields, 'updatedAt', ${table}.updated_at)`;

/** $1 API key, $2 idempotency key: the answer that is kept, as text for `parseExact`. */
export const keptSql = `
  SELECT ${keptJson('k')}::text AS kept FROM idempotency_key k
   WHERE k.api_key_id = $1::uuid AND k.key = $2 AND k.created_at > now() - ${keptFor}`;

/** $1 API keys, $2 their idempotency keys: answers that are kept no longer make room for others. */
export const makeRoomSql = `
  DELETE FROM idempotency_key k USING unnest($1::uuid[], $2::text[]) AS q(api_key, key)
   WHERE k.api_key_id = q.api_key AND k.key = q.key AND k.created_at <= now() - ${keptFor}`;

/**
 * $1 how many at most: forgets answers that are kept no longer, unless another process is forgetting some. By their places
 * in the table: a join with what the subquery finds would read all of a large one.
 */
export const forgetSql = `
  DELETE FROM idempotency_key
   WHERE (SELECT pg_try_advisory_xact_lock(7214839, 4)) AND ctid = ANY(ARRAY(
         SELECT k.ctid FROM idempotency_key k WHERE k.created_at <= now() - ${keptFor}
          ORDER BY k.created_at LIMIT $1::int))
  RETURNING key`;
