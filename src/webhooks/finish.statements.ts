import type { Static } from '@sinclair/typebox';
import { sql } from '../database/statement.ts';
import { isFree, isPendingByTime, waitingEndpoints } from './claim.statements.ts';
import type { claimedSchema } from './delivery.schema.ts';
import { longestFailure } from './schedule.ts';

type OfClaim = 'id' | 'lease' | 'endpointId' | 'url' | 'endpointChangedAt';

/** The outcome of a claimed delivery. If the row has another lease by now, nothing is written. */
export interface DeliveryOutcome extends Readonly<Pick<Static<typeof claimedSchema>, OfClaim>> {
  /** PENDING: retried after `wait`. */
  readonly status: 'DELIVERED' | 'FAILED' | 'PENDING';
  /** Milliseconds until the next attempt; 0 unless `status` is PENDING. */
  readonly wait: number;
  /** False if the attempt was not made or was given up; it does not count then. */
  readonly isAttempt: boolean;
  /** Whether the endpoint could not be decrypted: it fails then, although no attempt was made. */
  readonly isUnreadable: boolean;
  /** Whether the receiver answered 410 Gone, which disables the endpoint. */
  readonly isGone: boolean;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly lastAnswer: string | null;
}

/** Values of `disabledReason`, which the owner of the endpoint reads. */
const gone = 'The receiver answered 410 Gone.';
const failing = 'All attempts have failed for five days.';
const unreadable =
  'The server can no longer read what is stored of this endpoint: rotate its secret, set its headers again and enable it.';

/**
 * Writes the outcomes of claims to the deliveries, and updates their endpoints: `last_success_at`, `last_failure_at`,
 * `failing_since`. Disables an endpoint after a 410, unless its owner has changed it since the claim, or when it has failed for
 * five days without a success; it also fails while it cannot be decrypted. An attempt at a URL that the endpoint no longer has
 * changes nothing of the endpoint. A delivery whose lease was lost is left as it is, and its endpoint too. Returns each delivery
 * whose lease was not lost, and whether it was written; and a row for each enabled endpoint that began to fail, succeeded again,
 * or was disabled.
 *
 * It waits for no lock: the outcomes of other endpoints would wait with it, and fail with it. An outcome is not written if
 * another transaction has locked its delivery, or its endpoint where the health of that changes. Run it again for these.
 *
 * Deliveries are looked up one by one and updated by `ctid`: the plan of a join by id, made while the table was small, would
 * read the whole of it. One that is changed in between is not written; that only happens when its lease is over.
 *
 * `last_success_at` is written at most once a second: for a busy endpoint, that is most of the work of the statement. If this
 * is all that would change in an endpoint, and it is locked, its deliveries are written without it. A failure whose outcome is
 * just being written then ends with the next success.
 */
export function finishStatement(outcomes: readonly DeliveryOutcome[]) {
  const endpoints = [...new Set(outcomes.map(({ endpointId }) => endpointId))];
  return sql`
  WITH outcomes AS MATERIALIZED (
    SELECT * FROM json_to_recordset(${JSON.stringify(outcomes)}::json) AS r(id uuid, lease uuid, "endpointId" uuid,
      url text, "endpointChangedAt" timestamptz, status text, wait float8, "isAttempt" boolean,
      "isUnreadable" boolean, "isGone" boolean, "lastStatus" int, "lastError" text, "lastAnswer" text)
  ), leased AS MATERIALIZED (
    SELECT r.*, d.place FROM outcomes r CROSS JOIN LATERAL (
      SELECT d.ctid AS place, d.lease FROM webhook_delivery d WHERE d.id = r.id LIMIT 1) d
     WHERE d.lease = r.lease
  ), free AS MATERIALIZED (
    SELECT l.* FROM leased l JOIN webhook_delivery d ON d.ctid = l.place AND d.lease = l.lease
       FOR NO KEY UPDATE OF d SKIP LOCKED
  ), result AS MATERIALIZED (
    SELECT r."endpointId" AS id, r.url, bool_or(r.status = 'DELIVERED') AS good, bool_or(r.status <> 'DELIVERED') AS bad,
           max(r."endpointChangedAt") FILTER (WHERE r."isGone") AS gone_as_of, max(r."lastError") AS error,
           bool_or(r."isUnreadable") AS unreadable
      FROM free r WHERE r."isAttempt" OR r."isUnreadable" GROUP BY r."endpointId", r.url
  ), locked AS MATERIALIZED (
    SELECT e.id, e.url, e.status, e.failing_since, t.good, t.bad, t.error,
           CASE WHEN t.gone_as_of = e.updated_at THEN ${gone}::text
                WHEN NOT t.good AND e.failing_since <= now() - ${longestFailure}::float8 * interval '1 millisecond'
                THEN CASE WHEN t.unreadable THEN ${unreadable}::text ELSE ${failing}::text END END AS reason
      FROM webhook_endpoint e JOIN result t ON t.id = e.id AND t.url = e.url
     WHERE e.id = ANY(${endpoints}::uuid[])
       AND (t.bad OR e.failing_since IS NOT NULL OR e.last_success_at IS NULL
            OR e.last_success_at <= now() - interval '1 second')
       FOR NO KEY UPDATE OF e SKIP LOCKED
  ), held AS MATERIALIZED (
    SELECT e.id FROM webhook_endpoint e JOIN result t ON t.id = e.id AND t.url = e.url
     WHERE e.id = ANY(${endpoints}::uuid[]) AND (t.bad OR e.failing_since IS NOT NULL OR e.last_success_at IS NULL)
    EXCEPT SELECT l.id FROM locked l
  ), ready AS MATERIALIZED (
    SELECT r.* FROM free r WHERE NOT ((r."isAttempt" OR r."isUnreadable") AND r."endpointId" IN (SELECT h.id FROM held h))
  ), updated AS (
    UPDATE webhook_endpoint e
       SET last_success_at = CASE WHEN l.good THEN now() ELSE e.last_success_at END,
           last_failure_at = CASE WHEN l.bad THEN now() ELSE e.last_failure_at END,
           failing_since = CASE WHEN NOT l.good THEN coalesce(e.failing_since, now()) END
      FROM locked l WHERE e.id = l.id AND (e.status = 'DISABLED' OR l.reason IS NULL)
  ), disabled AS (
    UPDATE webhook_endpoint e
       SET last_success_at = CASE WHEN l.good THEN now() ELSE e.last_success_at END,
           last_failure_at = now(), failing_since = coalesce(e.failing_since, now()),
           status = 'DISABLED', disabled_reason = l.reason, updated_at = greatest(now(), e.updated_at + interval '1 millisecond')
      FROM locked l WHERE e.id = l.id AND e.status = 'ENABLED' AND l.reason IS NOT NULL
    RETURNING e.id, e.company_id, e.integration_id, e.disabled_reason
  ), entry AS (
    INSERT INTO audit_entry (action, operator, company_id, integration_id, details)
    SELECT 'webhook.disabled', 'server', d.company_id, d.integration_id,
           jsonb_build_object('webhookId', d.id, 'reason', d.disabled_reason)
      FROM disabled d
  ), written AS (
  UPDATE webhook_delivery d
     SET status = r.status, attempts = d.attempts + r."isAttempt"::int,
         next_attempt_at = CASE WHEN r.status = 'PENDING' THEN now() + r.wait * interval '1 millisecond'
                                ELSE d.next_attempt_at END,
         leased_until = NULL, lease = NULL,
         last_status = CASE WHEN r."isAttempt" THEN r."lastStatus" ELSE d.last_status END,
         last_error = CASE WHEN r."isAttempt" OR r."lastError" IS NOT NULL THEN r."lastError" ELSE d.last_error END,
         last_answer = CASE WHEN r."isAttempt" THEN r."lastAnswer" ELSE d.last_answer END,
         finished_at = CASE WHEN r.status <> 'PENDING' THEN now() END
    FROM ready r
   WHERE d.ctid = r.place AND d.lease = r.lease
  RETURNING d.id
  )
  SELECT l.id, w.id IS NOT NULL AS "isWritten", NULL::json AS endpoint FROM leased l LEFT JOIN written w ON w.id = l.id
  UNION ALL
  SELECT NULL, false, json_build_object('id', l.id, 'url', l.url, 'reason', l.reason, 'error', l.error,
           'health', CASE WHEN l.reason IS NOT NULL THEN 'DISABLED' WHEN l.good THEN 'RECOVERED' ELSE 'FAILING' END)
    FROM locked l
   WHERE l.status = 'ENABLED' AND (l.reason IS NOT NULL OR l.good = (l.failing_since IS NOT NULL))`;
}

/**
 * Seconds by which the delivery that has been due longest is late, and the number of disabled endpoints. Failing endpoints
 * do not count, and it is not the age of the oldest delivery: one dead receiver would hide how late the others are.
 */
export const measuresStatement = sql`
  WITH RECURSIVE ${waitingEndpoints}
  SELECT extract(epoch FROM now() - (
           SELECT least(min(w.due), now()) FROM waiting w JOIN webhook_endpoint e ON e.id = w.endpoint_id
            WHERE e.status = 'ENABLED' AND e.failing_since IS NULL
         ))::float8 AS "overdueSeconds",
         (SELECT count(*) FROM webhook_endpoint e WHERE e.status = 'DISABLED')::int AS "disabledEndpoints"`;

/**
 * Deletes at most `size` deliveries that were finished more than 30 days ago, the oldest first. Here and below, rows are deleted
 * by their `ctid`: with a join on the ids, the planner would read the whole table.
 */
export const deleteFinishedStatement = (size: number) => sql`
  DELETE FROM webhook_delivery WHERE ctid = ANY(ARRAY(
    SELECT d.ctid FROM webhook_delivery d WHERE d.finished_at < now() - interval '30 days'
     ORDER BY d.finished_at LIMIT ${size}::int FOR UPDATE SKIP LOCKED))
  RETURNING id`;

/**
 * Deletes at most `size` pending deliveries of disabled endpoints that have been due for more than 30 days. Not one that is
 * claimed, or is just being claimed because its endpoint was enabled.
 */
export const deleteWaitingStatement = (size: number) => sql`
  DELETE FROM webhook_delivery WHERE ctid = ANY(ARRAY(
    SELECT waiting.ctid FROM webhook_endpoint e CROSS JOIN LATERAL (
      SELECT d.ctid FROM webhook_delivery d
       WHERE d.endpoint_id = e.id AND ${isPendingByTime} AND d.next_attempt_at < now() - interval '30 days'
         AND ${isFree}
       ORDER BY d.next_attempt_at LIMIT ${size}::int FOR UPDATE OF d SKIP LOCKED) waiting
     WHERE e.status = 'DISABLED' LIMIT ${size}::int))
  RETURNING id`;
