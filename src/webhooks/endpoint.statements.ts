import type { KeyOwner } from '../auth/api-key.ts';
import { sql } from '../database/statement.ts';

/**
 * Locks an owner until the transaction ends: changes of its endpoints run one at a time. Otherwise two requests could
 * exceed the limit of endpoints together, or carry out one Idempotency-Key twice.
 */
export const lockOwnerStatement = ({ companyId, integrationId }: KeyOwner) =>
  sql`SELECT pg_advisory_xact_lock(hashtextextended(${`webhooks of ${companyId ?? integrationId}`}, 7214839))::text AS locked`;

/** Locks an endpoint until the transaction ends, so that a delivery does not disable it meanwhile. */
export const lockEndpointStatement = (id: string) =>
  sql`SELECT FROM webhook_endpoint WHERE id = ${id}::uuid FOR NO KEY UPDATE`;

/**
 * Deletes at most `size` deliveries of an endpoint and returns their ids. Rows that another transaction locks are skipped,
 * which Prisma's typed client cannot.
 */
export const dropDeliveriesStatement = (id: string, size: number) => sql`
  DELETE FROM webhook_delivery WHERE id IN (
    SELECT d.id FROM webhook_delivery d WHERE d.endpoint_id = ${id}::uuid LIMIT ${size}::int FOR UPDATE SKIP LOCKED)
  RETURNING id`;
