import { sql } from '../database/statement.ts';
import type { KeyHashes, SecretFingerprints } from './api-key.ts';
import { recordStatement } from './secret.statements.ts';

/** A key that was used. */
export interface KeyUse extends KeyHashes {
  readonly id: string;
}

/**
 * Notes that keys were used, and moves those that are stored under the secret before. A key that another process has just
 * moved, or is changing, is left as it is: no process waits for another. Raw, since Prisma can neither skip locked rows nor
 * give each row a value of its own in one statement.
 *
 * A key was found, so the fingerprint of the secret is recorded too.
 */
export function useStatement(uses: readonly KeyUse[], fingerprints: SecretFingerprints) {
  const ids = uses.map(({ id }) => id);
  return sql`
  WITH free AS (
    SELECT k.id FROM api_key k WHERE k.id = ANY(${ids}::uuid[]) ORDER BY k.id FOR UPDATE SKIP LOCKED
  ), recorded AS (${recordStatement(fingerprints, sql`EXISTS (SELECT FROM free)`)})
  UPDATE api_key k
     SET last_used_at = now(), hash = CASE WHEN k.hash = u.former THEN u.hash ELSE k.hash END
    FROM unnest(${ids}::uuid[], ${uses.map(({ hash }) => hash)}::text[], ${uses.map(({ formerHash }) => formerHash)}::text[])
         AS u(id, hash, former), free
   WHERE k.id = ANY(${ids}::uuid[]) AND k.id = free.id AND k.id = u.id`;
}
