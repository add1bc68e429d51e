import { constant, sql } from '../database/statement.ts';

/** How long a claim holds at most: an attempt of 10 s, and time to write its outcome. A crashed process loses it then. */
const lease = constant("interval '20 seconds'");

/** Rows of an endpoint that a claim looks at beyond those that it may take: some are behind others of their line. */
const spare = constant('4');

/**
 * The endpoints that deliveries wait for, each with its earliest time: one look into the index for each of them, however
 * many deliveries it has (a loose index scan, which PostgreSQL does not plan by itself).
 */
export const waitingEndpoints = sql`
  waiting (endpoint_id, due) AS (
    (SELECT d.endpoint_id, d.next_attempt_at FROM webhook_delivery d
      WHERE d.status = 'PENDING' ORDER BY d.endpoint_id, d.next_attempt_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM waiting w CROSS JOIN LATERAL (
      SELECT d.endpoint_id, d.next_attempt_at FROM webhook_delivery d
       WHERE d.status = 'PENDING' AND d.endpoint_id > w.endpoint_id
       ORDER BY d.endpoint_id, d.next_attempt_at LIMIT 1) following
  )`;

const isFree = sql`(d.leased_until IS NULL OR d.leased_until <= now())`;

/** A claimed delivery `d` of an endpoint `e`, as `claimedSchema` has it. */
const claimedJson = sql`
  json_build_object(
    'id', d.id, 'lease', d.lease, 'endpointId', e.id, 'eventId', d.event_id, 'body', d.body, 'attempts', d.attempts,
    'url', e.url, 'sealedHeaders', e.sealed_headers, 'sealedSecret', e.sealed_secret,
    'sealedPreviousSecret', CASE WHEN e.previous_secret_until > now() THEN e.sealed_previous_secret END,
    'sealedUnder', e.sealed_under, 'isFailing', e.failing_since IS NOT NULL,
    'isGranted', e.integration_id IS NULL OR d.company_id IS NULL OR EXISTS (
      SELECT FROM integration_company g WHERE g.integration_id = e.integration_id AND g.company_id = d.company_id))`;

/** How many deliveries a process can take. */
export interface Room {
  /** Of endpoints whose last attempt was good … */
  readonly healthy: number;
  /** … and of those that fail: apart, so that however many are dead, the others have their room. */
  readonly failing: number;
  /** At most for one endpoint that is healthy, or fails. */
  readonly perHealthy: number;
  readonly perFailing: number;
  /** What the process has under way for each endpoint. */
  readonly underWay: ReadonlyMap<string, number>;
}

/**
 * Claims deliveries that are due: of each endpoint and agent the first that waits. Endpoints share the room evenly, those
 * with the fewest under way first. Redeliveries and pings have no order.
 *
 * A delivery behind another one of its line is put off until that one's time, so that a next claim does not look at it
 * again; `nextStatement` takes it before. Rows that another process claims at this moment are skipped.
 *
 * A line is written as a range of rows, so that only the index of waiting deliveries can be chosen: the one of agents
 * would be read with all that an agent had delivered in 30 days.
 */
export function claimStatement({ healthy, failing, perHealthy, perFailing, underWay }: Room) {
  const ids = [...underWay.keys()];
  const counts = [...underWay.values()];
  return sql`
  WITH RECURSIVE ${waitingEndpoints}, open AS (
    SELECT e.id, e.failing_since IS NOT NULL AS failing, coalesce(u.count, 0) AS busy, w.due,
           CASE WHEN e.failing_since IS NULL THEN ${healthy}::int ELSE ${failing}::int END AS slots,
           CASE WHEN e.failing_since IS NULL THEN ${perHealthy}::int ELSE ${perFailing}::int END AS capacity
      FROM waiting w JOIN webhook_endpoint e ON e.id = w.endpoint_id
      LEFT JOIN unnest(${ids}::uuid[], ${counts}::int[]) AS u(id, count) ON u.id = e.id
     WHERE w.due <= now() AND e.status = 'ENABLED'
  ), endpoint AS (
    SELECT o.*, row_number() OVER (PARTITION BY o.failing ORDER BY o.busy, o.due) AS place,
           least(o.capacity - o.busy, ceil(o.slots::float8 / count(*) OVER (PARTITION BY o.failing))::int) AS share
      FROM open o WHERE o.busy < o.capacity
  ), due AS MATERIALIZED (
    SELECT d.*, e.failing, e.busy, e.share, e.slots FROM endpoint e CROSS JOIN LATERAL (
      SELECT d.id, d.endpoint_id, d.agent_id, d.position, d.is_redelivery, d.next_attempt_at
        FROM webhook_delivery d
       WHERE d.endpoint_id = e.id AND d.status = 'PENDING' AND d.next_attempt_at <= now() AND ${isFree}
       ORDER BY d.next_attempt_at LIMIT e.share + ${spare} FOR NO KEY UPDATE OF d SKIP LOCKED) d
     WHERE e.place <= e.slots
  ), judged AS MATERIALIZED (
    SELECT d.*, head.next_attempt_at AS behind FROM due d LEFT JOIN LATERAL (
      SELECT h.next_attempt_at FROM webhook_delivery h
       WHERE h.status = 'PENDING' AND NOT h.is_redelivery
         AND (h.endpoint_id, h.agent_id) >= (d.endpoint_id, d.agent_id)
         AND (h.endpoint_id, h.agent_id, h.position) < (d.endpoint_id, d.agent_id, d.position)
       ORDER BY h.endpoint_id, h.agent_id, h.position LIMIT 1) head ON NOT d.is_redelivery
  ), ranked AS (
    SELECT j.*, row_number() OVER (PARTITION BY j.endpoint_id ORDER BY j.next_attempt_at, j.position) AS turn
      FROM judged j WHERE j.behind IS NULL
  ), chosen AS (
    SELECT r.id, r.slots, row_number() OVER (PARTITION BY r.failing ORDER BY r.busy + r.turn, r.next_attempt_at) AS place
      FROM ranked r WHERE r.turn <= r.share
  ), taken AS (
    UPDATE webhook_delivery d SET leased_until = now() + ${lease}, lease = gen_random_uuid()
      FROM chosen c
     WHERE d.id = c.id AND c.place <= c.slots
    RETURNING d.*
  ), put_off AS (
    UPDATE webhook_delivery d SET next_attempt_at = greatest(j.behind, now() + ${lease})
      FROM judged j WHERE d.id = j.id AND j.behind IS NOT NULL
    RETURNING d.id
  )
  SELECT ${claimedJson} AS claimed, 0 AS "putOff" FROM taken d JOIN webhook_endpoint e ON e.id = d.endpoint_id
  UNION ALL SELECT NULL, count(*)::int FROM put_off`;
}

/**
 * Claims the delivery that follows each finished one in its line; without room for more it only makes it due. It runs
 * behind the commit of the finished ones, in a transaction of its own: else a claim that still saw them waiting could put
 * off a delivery that this statement does not see yet. The time is moved even where it had come, so that such a claim,
 * which finds the row changed, leaves it alone.
 * @param finished ids of deliveries
 */
export const nextStatement = (finished: readonly string[], hasRoom: boolean) => sql`
  WITH head AS MATERIALIZED (
    SELECT b.id AS before, h.id FROM webhook_delivery b JOIN webhook_endpoint e ON e.id = b.endpoint_id
     CROSS JOIN LATERAL (
      SELECT d.id, d.attempts FROM webhook_delivery d
       WHERE d.status = 'PENDING' AND NOT d.is_redelivery
         AND (d.endpoint_id, d.agent_id) >= (b.endpoint_id, b.agent_id)
         AND (d.endpoint_id, d.agent_id) <= (b.endpoint_id, b.agent_id)
       ORDER BY d.endpoint_id, d.agent_id, d.position LIMIT 1) h
     WHERE b.id = ANY(${finished}::uuid[]) AND NOT b.is_redelivery AND e.status = 'ENABLED' AND h.attempts = 0
  ), free AS MATERIALIZED (
    SELECT d.id, head.before FROM head JOIN webhook_delivery d ON d.id = head.id
     WHERE d.status = 'PENDING' AND ${isFree}
     ORDER BY d.id FOR NO KEY UPDATE OF d
  ), moved AS (
    UPDATE webhook_delivery d
       SET next_attempt_at = now() + interval '1 millisecond',
           leased_until = CASE WHEN ${hasRoom}::boolean THEN now() + ${lease} END,
           lease = CASE WHEN ${hasRoom}::boolean THEN gen_random_uuid() END
      FROM free WHERE d.id = free.id
    RETURNING d.*, free.before
  )
  SELECT d.before, ${claimedJson} AS claimed FROM moved d JOIN webhook_endpoint e ON e.id = d.endpoint_id
   WHERE ${hasRoom}::boolean`;
