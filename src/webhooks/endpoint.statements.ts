import type { KeyOwner } from '../auth/api-key.ts';
import type { OwnerCaller } from '../auth/caller.ts';
import { constant, sql } from '../database/statement.ts';
import { itemsBefore, type Page } from '../http/pages.ts';
import type { StoredWebhook } from './row.schema.ts';

/** As JSON, times do not depend on the session's DateStyle. */
const columns = (table: string) => `
  ${table}.id, ${table}.company_id AS "companyId", ${table}.integration_id AS "integrationId", ${table}.url, ${table}.events,
  ${table}.description, ${table}.header_names AS "headerNames", ${table}.sealed_headers AS "sealedHeaders",
  ${table}.sealed_secret AS "sealedSecret", ${table}.sealed_previous_secret AS "sealedPreviousSecret",
  ${table}.sealed_under AS "sealedUnder", ${table}.status, ${table}.disabled_reason AS "disabledReason",
  to_json(${table}.created_at) AS "createdAt", to_json(${table}.updated_at) AS "updatedAt", to_json(${table}.last_success_at) AS "lastSuccessAt",
  to_json(${table}.last_failure_at) AS "lastFailureAt"`;
const webhook = constant(columns('e'));

/** Endpoints of a company, or of an integration: one of the two is null. */
const ofOwner = ({ companyId, integrationId }: KeyOwner) =>
  companyId === null ? sql`e.integration_id = ${integrationId}::uuid` : sql`e.company_id = ${companyId}::uuid`;

/**
 * Locks an owner until the transaction ends: changes of its endpoints run one at a time. Otherwise two requests could
 * exceed the limit of endpoints together, or carry out one Idempotency-Key twice.
 */
export const lockOwnerStatement = ({ companyId, integrationId }: KeyOwner) =>
  sql`SELECT pg_advisory_xact_lock(hashtextextended(${`webhooks of ${companyId ?? integrationId}`}, 7214839))::text AS locked`;

export const findStatement = (id: string) => sql`SELECT ${webhook} FROM webhook_endpoint e WHERE e.id = ${id}::uuid`;

/** The same with a row lock until the transaction ends, so that a delivery does not disable the endpoint meanwhile. */
export const findLockedStatement = (id: string) =>
  sql`SELECT ${webhook} FROM webhook_endpoint e WHERE e.id = ${id}::uuid FOR NO KEY UPDATE`;

export const countStatement = (owner: KeyOwner) =>
  sql`SELECT count(*)::int AS total FROM webhook_endpoint e WHERE ${ofOwner(owner)}`;

/** The newest first. */
export const listStatement = (owner: KeyOwner, page: Page) => sql`
  SELECT ${webhook} FROM webhook_endpoint e WHERE ${ofOwner(owner)}
   ORDER BY e.created_at DESC, e.id DESC LIMIT ${page.limit}::int OFFSET ${itemsBefore(page)}::int`;

/** The columns of an endpoint that requests write. */
export type WrittenWebhook = Omit<StoredWebhook, 'createdAt' | 'updatedAt' | 'lastSuccessAt' | 'lastFailureAt'>;

export const insertStatement = (made: WrittenWebhook) => sql`
  INSERT INTO webhook_endpoint AS e
         (id, company_id, integration_id, url, events, description, header_names, sealed_headers, sealed_secret, sealed_under)
  VALUES (${made.id}::uuid, ${made.companyId}::uuid, ${made.integrationId}::uuid, ${made.url}, ${made.events}::text[],
          ${made.description}, ${made.headerNames}::text[], ${made.sealedHeaders}, ${made.sealedSecret}, ${made.sealedUnder})
  RETURNING ${webhook}`;

/** @param isRotated whether the secret was replaced: the previous one then signs for another 24 hours */
export const saveStatement = (saved: WrittenWebhook, isRotated: boolean) => sql`
  UPDATE webhook_endpoint e
     SET url = ${saved.url}, events = ${saved.events}::text[], description = ${saved.description},
         header_names = ${saved.headerNames}::text[], sealed_headers = ${saved.sealedHeaders},
         sealed_secret = ${saved.sealedSecret}, sealed_previous_secret = ${saved.sealedPreviousSecret},
         previous_secret_until = CASE WHEN ${isRotated}::boolean THEN now() + interval '24 hours'
                                      ELSE e.previous_secret_until END,
         sealed_under = ${saved.sealedUnder}, status = ${saved.status}, disabled_reason = ${saved.disabledReason},
         failing_since = CASE WHEN e.status = ${saved.status} THEN e.failing_since END,
         updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), e.updated_at + interval '1 millisecond')
   WHERE e.id = ${saved.id}::uuid
  RETURNING ${webhook}`;

/** Deletes at most `size` deliveries of an endpoint and returns their ids. Rows that another transaction locks are skipped. */
export const dropDeliveriesStatement = (id: string, size: number) => sql`
  DELETE FROM webhook_delivery WHERE id IN (
    SELECT d.id FROM webhook_delivery d WHERE d.endpoint_id = ${id}::uuid LIMIT ${size}::int FOR UPDATE SKIP LOCKED)
  RETURNING id`;

/** Deletes an endpoint and its remaining deliveries. */
export const deleteStatement = (id: string) => sql`DELETE FROM webhook_endpoint WHERE id = ${id}::uuid RETURNING id`;

export type WebhookAction = 'webhook.created' | 'webhook.updated' | 'webhook.deleted' | 'webhook.secret-rotated';

/** Inserts the audit entry for a change of an endpoint by a key. */
export const entryStatement = (
  action: WebhookAction,
  { companyId, integrationId }: KeyOwner,
  by: OwnerCaller,
  details: object,
) => sql`
  INSERT INTO audit_entry (action, acting_key_id, request_id, caller_address, company_id, integration_id, details)
  VALUES (${action}, ${by.keyId}::uuid, ${by.requestId}, ${by.address}, ${companyId}::uuid, ${integrationId}::uuid,
          ${JSON.stringify(details)}::jsonb)`;
