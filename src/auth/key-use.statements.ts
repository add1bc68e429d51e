import { sql } from '../database/statement.ts';
import type { KeyHashes, SecretFingerprints } from './api-key.ts';
import { recordStatement } from './secret.statements.ts';

export interface KeyUse extends KeyHashes {
  readonly id: string;
}

/**
 * Writes when keys were last used, and stores keys of the previous secret under the current one. Rows that another process
 * has locked or changed are skipped, so no process waits for another. Raw, since Prisma can neither skip locked rows nor
 * set a different value in each row of one statement.
 *
 * Records the fingerprint of the secret too: the keys were found under it, so it is the right one.
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
