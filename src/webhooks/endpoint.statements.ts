import type { KeyOwner } from '../auth/api-key.ts';
import { sql } from '../database/statement.ts';

// Raw, since Prisma takes no locks and deletes no limited number of rows.

/**
 * Locks an owner until the transaction ends: changes of its endpoints run one at a time. Otherwise two requests could
 * exceed the limit of endpoints together, or carry out one Idempotency-Key twice.
 */
export const lockOwnerStatement = ({ companyId, integrationId }: KeyOwner) =>
  sql`SELECT pg_advisory_xact_lock(hashtextextended(${`webhooks of ${companyId ?? integrationId}`}, 7214839))::text AS locked`;

/** Locks an endpoint of any owner until the transaction ends, so that no delivery changes it meanwhile. */
export const lockEndpointStatement = (id: string) =>
  sql`SELECT FROM webhook_endpoint WHERE id = ${id}::uuid FOR NO KEY UPDATE`;

/**
 * Locks an endpoint, if it is this owner's, until the transaction ends, so that neither a delivery nor an operator changes it
 * meanwhile. Another owner's is not locked: the request must neither wait for it nor hold it up before it is refused.
 */
export const lockOwnEndpointStatement = (id: string, { companyId, integrationId }: KeyOwner) => sql`
  SELECT FROM webhook_endpoint
   WHERE id = ${id}::uuid AND company_id IS NOT DISTINCT FROM ${companyId}::uuid
     AND integration_id IS NOT DISTINCT FROM ${integrationId}::uuid
     FOR NO KEY UPDATE`;

/**
 * Makes PostgreSQL prefer an index to reading a whole table in the rest of the transaction. Run it before an endpoint is deleted:
 * the foreign key then deletes its deliveries, even if there are none, and where nearly all deliveries are of one endpoint,
 * PostgreSQL would read the whole table for any endpoint.
 */
export const avoidTableScansStatement = sql`SELECT set_config('enable_seqscan', 'off', true)`;

/**
 * Deletes deliveries of an endpoint, the newest first, at most `size`; returns how many it chose. Rows that another transaction
 * locks are skipped, and a chosen one that was changed in between is not deleted.
 *
 * Rows are deleted by their `ctid`: with a join on the ids, the planner would read the whole table. Ordered, they are found
 * by an index: a scan of the table would read again, each time, the place of all that was deleted before.
 */
export const dropDeliveriesStatement = (id: string, size: number) => sql`
  WITH chosen AS MATERIALIZED (
    SELECT d.ctid AS place FROM webhook_delivery d
     WHERE d.endpoint_id = ${id}::uuid ORDER BY d.position DESC LIMIT ${size}::int FOR UPDATE SKIP LOCKED
  ), dropped AS (
    DELETE FROM webhook_delivery WHERE ctid = ANY(ARRAY(SELECT place FROM chosen))
  )
  SELECT count(*)::int AS total FROM chosen`;
