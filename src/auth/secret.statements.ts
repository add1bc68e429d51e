import { type Statement, sql } from '../database/statement.ts';
import type { SecretFingerprints } from './api-key.ts';

/**
 * Records the fingerprint of the current secret if none is recorded, or the one of the previous secret is. Otherwise nothing
 * is written and no row is locked. Raw, since Prisma has no conditional upsert.
 * @param when a further SQL condition
 */
export const recordStatement = ({ current, former }: SecretFingerprints, when: Statement) => sql`
    INSERT INTO secret_fingerprint (id, fingerprint)
    SELECT 1, ${current}
     WHERE ${when} AND NOT EXISTS (SELECT FROM secret_fingerprint f WHERE (f.fingerprint = ${former}) IS NOT TRUE)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, recorded_at = now()
     WHERE secret_fingerprint.fingerprint = ${former}`;

/**
 * The same before a key is created. Not if there are keys but no fingerprint: those were made by a release that recorded
 * none, and only the use of one of them shows which secret they are stored under.
 */
export const recordMadeStatement = (fingerprints: SecretFingerprints) =>
  recordStatement(fingerprints, sql`(EXISTS (SELECT FROM secret_fingerprint) OR NOT EXISTS (SELECT FROM api_key))`);
