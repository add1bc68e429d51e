import { constant, sql } from '../../database/statement.ts';

/** The unique index of idempotency_key, by which a unique violation of a key is recognized. */
export const idempotencyIndex = 'idempotency_key_pkey';

/**
 * How long the answer to a request with an Idempotency-Key is kept (docs/contract.md#retries). A shorter time needs a
 * migration: the trigger `idempotency_key_delete_values` does not let the server's role delete younger answers.
 */
export const keptFor = `interval '24 hours'`;

/** SQL for a row of idempotency_key as `keptJsonSchema` has it. */
export const keptJson = (table: string) =>
  `json_build_object('fingerprint', ${table}.fingerprint, 'agent', ${table}.agent,
                     'changedFields', ${table}.changed_fields, 'updatedAt', ${table}.updated_at)`;

// Raw, since Prisma has no interval before the database's time, and would parse the JSON of the answer itself.

const age = constant(keptFor);

/** Selects the answer that is kept for an idempotency key of an API key. */
export const keptStatement = (keyId: string, key: string) => sql`
  SELECT ${constant(keptJson('k'))}::text AS json FROM idempotency_key k
   WHERE k.api_key_id = ${keyId}::uuid AND k.key = ${key} AND k.created_at > now() - ${age}`;

/** Deletes the answer that is kept for an idempotency key of an API key, if it is older than 24 hours. */
export const deleteExpiredStatement = (keyId: string, key: string) => sql`
  DELETE FROM idempotency_key k
   WHERE k.api_key_id = ${keyId}::uuid AND k.key = ${key} AND k.created_at <= now() - ${age}`;

/**
 * Deletes answers older than 24 hours, at most `limit`; none while another process does this. Rows are deleted by their
 * `ctid`: with a join on the keys, the planner would read the whole table.
 */
export const deleteOldAnswersStatement = (limit: number) => sql`
  DELETE FROM idempotency_key
   WHERE (SELECT pg_try_advisory_xact_lock(7214839, 4)) AND ctid = ANY(ARRAY(
         SELECT k.ctid FROM idempotency_key k WHERE k.created_at <= now() - ${age}
          ORDER BY k.created_at LIMIT ${limit}::int))
  RETURNING key`;
