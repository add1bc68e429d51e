import { sql } from '../database/statement.ts';

// Advisory locks: the server's role may only read phone numbers, and to lock a row it would need the right to change it.

/**
 * Keeps phone numbers from being deactivated until the transaction ends. Must come before the statement that reads whether
 * they are active.
 */
export const shareNumbersStatement = (ids: readonly string[]) => sql`
  SELECT pg_advisory_xact_lock_shared(hashtextextended('phone number ' || id, 7214839))::text AS locked
    FROM unnest(${ids}::uuid[]) AS id`;

/** Waits for transactions that share the phone number, and makes others wait until this one ends. */
export const lockNumberStatement = (id: string) =>
  sql`SELECT pg_advisory_xact_lock(hashtextextended('phone number ' || ${id}::uuid, 7214839))::text AS locked`;
