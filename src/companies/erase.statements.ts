import { constant, sql } from '../database/statement.ts';

// Raw, since Prisma locks no rows, deletes no limited number of them, and has no statement that goes on with what another found.

/** Locks a company until the transaction ends: inserts of rows that refer to it wait. */
export const lockStatement = (companyId: string) => sql`SELECT FROM company WHERE id = ${companyId}::uuid FOR UPDATE`;

/** Kept answers that one statement reads. */
const walked = constant('5000');

/**
 * Reads the next kept answers behind a key of the table, and erases those by keys of the company or about its agents or webhook
 * endpoints. An endpoint may be deleted already, so the audit entry says whose it was; entries have no index on that, so they
 * are read only for an answer about an endpoint. Reads the whole table in batches, because it has no index on these. Returns how
 * many were erased, and the key to continue behind; null at the end of the table.
 */
export const eraseAnswersStatement = (companyId: string, [apiKeyId, key]: readonly [string, string]) => sql`
  WITH walked AS MATERIALIZED (
    SELECT k.api_key_id, k.key, k.agent_id, k.webhook_id FROM idempotency_key k
     WHERE (k.api_key_id, k.key) > (${apiKeyId}::uuid, ${key}::text)
     ORDER BY k.api_key_id, k.key LIMIT ${walked}
  ), erased AS (
    DELETE FROM idempotency_key k USING walked w
     WHERE k.api_key_id = w.api_key_id AND k.key = w.key
       AND (EXISTS (SELECT FROM api_key o WHERE o.id = w.api_key_id AND o.company_id = ${companyId}::uuid)
         OR EXISTS (SELECT FROM agent a WHERE a.id = w.agent_id AND a.company_id = ${companyId}::uuid)
         OR (w.webhook_id IS NOT NULL AND w.webhook_id::text IN (
               SELECT e.details->>'webhookId' FROM audit_entry e
                WHERE e.action = 'webhook.created' AND e.company_id = ${companyId}::uuid)))
    RETURNING k.key
  )
  SELECT (SELECT count(*)::int FROM erased) AS erased,
         CASE WHEN (SELECT count(*) FROM walked) = ${walked}
              THEN (SELECT ARRAY[api_key_id::text, key] FROM walked ORDER BY api_key_id DESC, key DESC LIMIT 1) END AS next`;

/** Locks the webhook endpoints of a company, of which there are few, until the transaction ends. */
export const lockEndpointsStatement = (companyId: string) =>
  sql`SELECT FROM webhook_endpoint WHERE company_id = ${companyId}::uuid FOR UPDATE`;

/**
 * Erases at most `limit` deliveries to endpoints of the company; returns a row for each. Those of each endpoint are read in the
 * order of an index: otherwise PostgreSQL may read the whole table to find that none is left.
 */
export const eraseEndpointDeliveriesStatement = (companyId: string, limit: number) => sql`
  DELETE FROM webhook_delivery WHERE ctid = ANY(ARRAY(
    SELECT part.ctid FROM webhook_endpoint w,
           LATERAL (SELECT d.ctid FROM webhook_delivery d WHERE d.endpoint_id = w.id
                     ORDER BY d.position DESC LIMIT ${limit}::int FOR UPDATE OF d SKIP LOCKED) part
     WHERE w.company_id = ${companyId}::uuid LIMIT ${limit}::int))
  RETURNING id`;

/** Sums the counts in the audit entries `company.erasing` of a company, those of earlier runs included. */
export const erasedSoFarStatement = (companyId: string) => sql`
  SELECT counted.key AS name, sum(counted.value::int)::int AS count
    FROM audit_entry e, jsonb_each_text(e.details) counted
   WHERE e.action = 'company.erasing' AND e.company_id = ${companyId}::uuid
   GROUP BY counted.key`;
