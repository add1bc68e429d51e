import { constant, sql, timeText } from '../database/statement.ts';
import { deepest } from '../http/pages.schema.ts';
import { itemsBefore, type Page } from '../http/pages.ts';
import { newEventId } from './events.statements.ts';
import type { DeliveryListQuery } from './schema.ts';

/** The filters of a list of deliveries; a delivery must match all that are given. */
export type DeliveryFilter = Pick<DeliveryListQuery, 'status' | 'agentId'>;

const delivery = constant(`
  d.id, d.event_id AS "eventId", d.event_type AS "eventType", d.agent_id AS "agentId", d.version, d.status, d.attempts,
  d.last_status AS "lastStatus", d.last_error AS "lastError",
  CASE WHEN d.status = 'PENDING' THEN d.next_attempt_at END AS "nextAttemptAt", d.created_at AS "createdAt"`);

/** The companies whose deliveries the owner of an endpoint may see: an integration's only while it manages them. */
const managedBy = (endpointId: string) => sql`
  SELECT e.company_id FROM webhook_endpoint e WHERE e.id = ${endpointId}::uuid
  UNION ALL
  SELECT g.company_id FROM webhook_endpoint e JOIN integration_company g ON g.integration_id = e.integration_id
   WHERE e.id = ${endpointId}::uuid`;

/**
 * Hides from an integration the deliveries about companies that it no longer manages. The subquery depends on no delivery, so
 * that PostgreSQL runs it once, and not for each one that it reads.
 */
const isStillManaged = (endpointId: string) =>
  sql`(d.company_id IS NULL OR d.company_id IN (${managedBy(endpointId)}))`;

/**
 * The deliveries of an agent to any endpoint; none if the agent is another company's. Whose it is depends on no delivery, so that
 * PostgreSQL asks once, before it reads any: otherwise the time of the answer would tell how often the agent changes. With `=`,
 * PostgreSQL would read the whole table where nearly all deliveries are of one agent, since it then expects all to match; of an
 * interval it always expects few.
 */
const isOfOwnAgent = (endpointId: string, agentId: string) => sql`
         EXISTS (SELECT FROM agent a WHERE a.id = ${agentId}::uuid AND a.company_id IN (${managedBy(endpointId)}))
     AND d.agent_id BETWEEN ${agentId}::uuid AND ${agentId}::uuid`;

// The status is written into the statement: with a parameter, the planner could not use a partial index on one status.
const withStatus = {
  PENDING: sql`d.status = 'PENDING'`,
  DELIVERED: sql`d.status = 'DELIVERED'`,
  FAILED: sql`d.status = 'FAILED'`,
};

const filtered = (endpointId: string, { status, agentId }: DeliveryFilter) => {
  const ofEndpoint = sql`d.endpoint_id = ${endpointId}::uuid`;
  const listed = status === undefined ? ofEndpoint : sql`${ofEndpoint} AND ${withStatus[status]}`;
  // With an agent, the endpoint and the status are written so that no index of theirs can be used: PostgreSQL may expect few
  // deliveries of the endpoint, or few that failed, and would look at all of them, of other agents too.
  const found =
    agentId === undefined ? listed : sql`${isOfOwnAgent(endpointId, agentId)} AND coalesce(${listed}, false)`;
  return sql`
    FROM webhook_delivery d
   WHERE ${found} AND ${isStillManaged(endpointId)}
   ORDER BY d.position DESC`;
};

/**
 * One page of the deliveries of an endpoint, the newest first, and their number, counted as far as pages reach. They are counted
 * in the order of an index too: otherwise PostgreSQL may read the whole table for an endpoint that has a few.
 */
export const deliveriesStatement = (endpointId: string, page: Page, filter: DeliveryFilter) => sql`
  SELECT counted.total, ${delivery}
    FROM (SELECT count(*)::int AS total FROM (SELECT ${filtered(endpointId, filter)} LIMIT ${deepest}::int) d) counted
    LEFT JOIN (SELECT d.* ${filtered(endpointId, filter)}
                LIMIT ${page.limit}::int OFFSET ${itemsBefore(page)}::int) d ON true
   ORDER BY d.position DESC`;

/** Inserts a delivery of `webhook.ping` that is due now. */
export const pingStatement = (endpointId: string, companyId: string | null, requestId: string, keyId: string) => sql`
  INSERT INTO webhook_delivery AS d (endpoint_id, event_id, event_type, company_id, body)
  SELECT ${endpointId}::uuid, ${constant(newEventId)}, 'webhook.ping', ${companyId}::uuid,
         '{"type":"webhook.ping","timestamp":"' || ${constant(timeText('now()::timestamptz(3)'))}
         || '","data":{"webhookId":' || to_json(${endpointId}::text) || ',"requestId":' || to_json(${requestId}::text)
         || ',"keyId":' || to_json(${keyId}::text) || '}}'
  RETURNING ${delivery}`;

/**
 * Inserts another delivery of the same event, outside the order of its agent. Returns no row if the endpoint has no such
 * delivery, an integration no longer manages its company, or its agent is erased meanwhile: a purge waits until this is
 * committed, or this until the purge is.
 */
export const redeliverStatement = (endpointId: string, deliveryId: string) => sql`
  INSERT INTO webhook_delivery AS d
         (endpoint_id, event_id, event_type, agent_id, company_id, version, body, is_redelivery)
  SELECT endpoint_id, event_id, event_type, agent_id, company_id, version, body, true FROM (
    SELECT d.* FROM webhook_delivery d
     WHERE d.id = ${deliveryId}::uuid AND d.endpoint_id = ${endpointId}::uuid AND ${isStillManaged(endpointId)}
       AND (d.agent_id IS NULL OR EXISTS (SELECT FROM agent a WHERE a.id = d.agent_id FOR KEY SHARE))) one
  RETURNING ${delivery}`;
