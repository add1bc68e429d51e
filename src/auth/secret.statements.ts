import { type Statement, sql } from '../database/statement.ts';
import type { SecretFingerprints } from './api-key.ts';

/**
 * Records the fingerprint of the current secret where none is recorded, or that of the former one; else nothing is
 * written and no row is locked. Raw, since Prisma cannot make an upsert depend on what is stored.
 * @param when a condition that must hold as well
 */
export const recordStatement = ({ current, former }: SecretFingerprints, when: Statement) => sql`
    INSERT INTO secret_fingerprint (id, fingerprint)
    SELECT 1, ${current}
     WHERE ${when} AND NOT EXISTS (SELECT FROM secret_fingerprint f WHERE (f.fingerprint = ${former}) IS NOT TRUE)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, recorded_at = now()
     WHERE secret_fingerprint.fingerprint = ${former}`;

/**
 * The same before a key is made. Where there are keys, but no fingerprint, keys were made by a release that recorded none:
 * a key that is found tells which secret theirs is, and this one cannot.
 */
export const recordMadeStatement = (fingerprints: SecretFingerprints) =>
  recordStatement(fingerprints, sql`(EXISTS (SELECT FROM secret_fingerprint) OR NOT EXISTS (SELECT FROM api_key))`);
