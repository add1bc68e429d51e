import { sql } from '../database/statement.ts';
import type { SealedRow } from './row.schema.ts';

/** Endpoints that are encrypted under another secret than the one with this fingerprint, in the order of their ids. */
export const sealedElsewhereStatement = (fingerprint: string, after: string, limit: number) => sql`
  SELECT e.id, e.sealed_secret AS "sealedSecret", e.sealed_previous_secret AS "sealedPreviousSecret",
         e.sealed_headers AS "sealedHeaders", e.sealed_under AS "sealedUnder"
    FROM webhook_endpoint e
   WHERE e.sealed_under <> ${fingerprint} AND e.id > ${after}::uuid
   ORDER BY e.id LIMIT ${limit}::int`;

/** Stores the new ciphertexts, unless the endpoint was changed since it was read; returns its id if they were stored. */
export const storeResealedStatement = (read: SealedRow, resealed: SealedRow) => sql`
  UPDATE webhook_endpoint
     SET sealed_secret = ${resealed.sealedSecret}, sealed_previous_secret = ${resealed.sealedPreviousSecret},
         sealed_headers = ${resealed.sealedHeaders}, sealed_under = ${resealed.sealedUnder}
   WHERE id = ${read.id}::uuid AND sealed_under = ${read.sealedUnder} AND sealed_secret = ${read.sealedSecret}
     AND sealed_previous_secret IS NOT DISTINCT FROM ${read.sealedPreviousSecret}::text
     AND sealed_headers IS NOT DISTINCT FROM ${read.sealedHeaders}::text
  RETURNING id`;
