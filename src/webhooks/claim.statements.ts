import { constant, sql } from '../database/statement.ts';
import { firstTime } from '../http/stored-time.ts';

/**
 * How long a claimed delivery is reserved for one process: 10 s for the attempt, the rest to write its outcome. After a
 * crash, another process can claim it when this time is over.
 */
export const lease = constant("interval '20 seconds'");

/**
 * Rows that a claim reads beyond the shares: some cannot be sent yet, because an earlier one is pending. A few per endpoint;
 * many for all endpoints together if the claim before has postponed some, so that a long line is behind after few claims.
 */
const few = constant('4');
const many = constant('500');

/**
 * SQL condition that is true of every pending delivery. It is the condition of the index by endpoint and time, so that the
 * planner uses this index only for statements that contain it. If the condition were only `PENDING`, the planner could choose
 * the index to find the next delivery of one agent, and read everything that is pending for the endpoint.
 */
export const isPendingByTime = constant("d.status = 'PENDING' AND d.next_attempt_at > '-infinity'");

/**
 * The endpoints with pending deliveries, each with the earliest `next_attempt_at`. A loose index scan, which PostgreSQL
 * does not plan by itself: one index lookup per endpoint, however many deliveries are pending.
 */
export const waitingEndpoints = sql`
  waiting (endpoint_id, due) AS (
    (SELECT d.endpoint_id, d.next_attempt_at FROM webhook_delivery d
      WHERE ${isPendingByTime} ORDER BY d.endpoint_id, d.next_attempt_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM waiting w CROSS JOIN LATERAL (
      SELECT d.endpoint_id, d.next_attempt_at FROM webhook_delivery d
       WHERE ${isPendingByTime} AND d.endpoint_id > w.endpoint_id
       ORDER BY d.endpoint_id, d.next_attempt_at LIMIT 1) following
  )`;

/** SQL for the age of a delivery. Infinite times, which SQL can store, cannot be subtracted: they would end all claims. */
const ageOf = (delivery: string) => `(now() - least(greatest(${delivery}.created_at, '${firstTime}'), now()))`;

/**
 * How long a delivery `j` is postponed that waits behind a pending one, unless that one is due later. This time counts only where
 * `nextStatement` did not follow `finishStatement`: after a crash or a stop, or while it failed or met a lock for 9 s. It grows
 * with the age of the delivery: otherwise everything that waits for a slow receiver would be written again every 20 s. For 20,000
 * deliveries these are 40 claims of 15 ms; once they are older than 20 minutes, in 5 minutes instead of 20 s.
 */
const untilLookedAt = constant(`greatest(interval '20 seconds', least(${ageOf('j')} / 4, interval '5 minutes'))`);

export const isFree = sql`(d.leased_until IS NULL OR d.leased_until <= now())`;

/** A claimed delivery `d` of an endpoint `e`, as `claimedSchema` has it. */
export const claimedJson = sql`
  json_build_object(
    'id', d.id, 'lease', d.lease, 'endpointId', e.id, 'eventId', d.event_id, 'body', d.body, 'attempts', d.attempts,
    'age', extract(epoch FROM ${constant(ageOf('d'))})::float8, 'url', e.url,
    'sealedHeaders', e.sealed_headers, 'sealedSecret', e.sealed_secret,
    'sealedPreviousSecret', CASE WHEN e.previous_secret_until > now() THEN e.sealed_previous_secret END,
    'sealedUnder', e.sealed_under, 'endpointChangedAt', e.updated_at, 'isFailing', e.failing_since IS NOT NULL,
    'isGranted', e.integration_id IS NULL OR d.company_id IS NULL OR EXISTS (
      SELECT FROM integration_company g WHERE g.integration_id = e.integration_id AND g.company_id = d.company_id))`;

/** How many further deliveries a process can send at the same time, in all and to one endpoint (`slots.ts`). */
export interface FreeSlots {
  readonly healthy: number;
  readonly failing: number;
  readonly perHealthy: number;
  readonly perFailing: number;
  /** Running attempts of the process, by endpoint id. */
  readonly running: ReadonlyMap<string, number>;
}

/**
 * Claims deliveries that are due. Deliveries of one agent to one endpoint are sent in the order of their `position`: only the
 * first pending one can be claimed. Redeliveries and pings have no order. Rows that another process has locked are skipped.
 *
 * Endpoints share the free slots evenly. Those with the fewest running attempts come first; of these, the one whose last attempt
 * ended the longest ago. If they came in the order in which their deliveries are due, an endpoint that failed once would wait for
 * hours behind everything that is due at dead ones, where these are more than the slots.
 *
 * A delivery behind a pending one is postponed, so that the next claim does not read it again: until just after that one is due,
 * or longer (`untilLookedAt`). `nextStatement` claims it earlier, when the one before it is finished.
 *
 * The first pending delivery of an agent is the first from the place of the agent on (`>=`), in the index of pending deliveries.
 * With `=` the planner could choose the index of agents, and read everything that was delivered for an agent in 30 days; with an
 * upper bound, PostgreSQL 15 reads all that is pending for the endpoint if it finds none. It is not looked up for a ping, which
 * has no agent: nothing would end that search either. It is looked up once for all that is due of an agent: during a long
 * transaction, as of a dump, each lookup reads past all that was sent to the endpoint for that agent.
 *
 * `standing` is a text for the sake of the planner, which takes an unknown LIMIT for a tenth of the rows, and IS NOT NULL for
 * true of nearly all of them. To postpone so many it read the whole table, 2,636 blocks among 20,000 deliveries instead of 316.
 * Of the rows with an unknown text it expects one in 200.
 * @param isRepeated whether the claim before has postponed some
 */
export function claimStatement({ healthy, failing, perHealthy, perFailing, running }: FreeSlots, isRepeated: boolean) {
  const ids = [...running.keys()];
  const counts = [...running.values()];
  return sql`
  WITH RECURSIVE ${waitingEndpoints}, open AS (
    SELECT e.id, e.failing_since IS NOT NULL AS failing, coalesce(u.count, 0) AS busy, w.due,
           greatest(e.last_success_at, e.last_failure_at) AS tried,
           CASE WHEN e.failing_since IS NULL THEN ${healthy}::int ELSE ${failing}::int END AS slots,
           CASE WHEN e.failing_since IS NULL THEN ${perHealthy}::int ELSE ${perFailing}::int END AS capacity
      FROM waiting w JOIN webhook_endpoint e ON e.id = w.endpoint_id
      LEFT JOIN unnest(${ids}::uuid[], ${counts}::int[]) AS u(id, count) ON u.id = e.id
     WHERE w.due <= now() AND e.status = 'ENABLED'
  ), endpoint AS (
    SELECT o.*, row_number() OVER (PARTITION BY o.failing ORDER BY o.busy, o.tried NULLS FIRST, o.due) AS place,
           CASE WHEN ${isRepeated}::boolean THEN greatest(${few}, ${many} / count(*) OVER ()) ELSE ${few} END AS spare,
           least(o.capacity - o.busy, ceil(o.slots::float8 / count(*) OVER (PARTITION BY o.failing))::int) AS share
      FROM open o WHERE o.busy < o.capacity
  ), due AS MATERIALIZED (
    SELECT d.*, e.failing, e.busy, e.tried, e.share, e.slots FROM endpoint e CROSS JOIN LATERAL (
      SELECT d.id, d.endpoint_id, d.agent_id, d.position, d.is_redelivery, d.next_attempt_at, d.created_at
        FROM webhook_delivery d
       WHERE d.endpoint_id = e.id AND ${isPendingByTime} AND d.next_attempt_at BETWEEN e.due AND now() AND ${isFree}
       ORDER BY d.next_attempt_at LIMIT e.share + e.spare FOR NO KEY UPDATE OF d SKIP LOCKED) d
     WHERE e.place <= e.slots
  ), head AS MATERIALIZED (
    SELECT h.* FROM (
      SELECT DISTINCT d.endpoint_id, d.agent_id FROM due d WHERE NOT d.is_redelivery AND d.agent_id IS NOT NULL) a
      CROSS JOIN LATERAL (
      SELECT h.endpoint_id, h.agent_id, h.position, h.next_attempt_at FROM webhook_delivery h
       WHERE h.status = 'PENDING' AND NOT h.is_redelivery AND (h.endpoint_id, h.agent_id) >= (a.endpoint_id, a.agent_id)
       ORDER BY h.endpoint_id, h.agent_id, h.position LIMIT 1) h
     WHERE h.endpoint_id = a.endpoint_id AND h.agent_id = a.agent_id
  ), checked AS MATERIALIZED (
    SELECT d.*, head.next_attempt_at AS behind, CASE WHEN head.position IS NULL THEN 'first' ELSE 'behind' END AS standing
      FROM due d LEFT JOIN head
        ON NOT d.is_redelivery AND head.endpoint_id = d.endpoint_id AND head.agent_id = d.agent_id
       AND head.position < d.position
  ), ranked AS (
    SELECT j.*, row_number() OVER (PARTITION BY j.endpoint_id ORDER BY j.next_attempt_at, j.position) AS turn
      FROM checked j WHERE j.standing = 'first'
  ), chosen AS (
    SELECT r.id, r.slots, row_number() OVER (
             PARTITION BY r.failing ORDER BY r.busy + r.turn, r.tried NULLS FIRST, r.next_attempt_at) AS place
      FROM ranked r WHERE r.turn <= r.share
  ), leased AS (
    UPDATE webhook_delivery d SET leased_until = now() + ${lease}, lease = gen_random_uuid()
      FROM chosen c
     WHERE d.id = c.id AND c.place <= c.slots
    RETURNING d.*
  ), postponed AS (
    UPDATE webhook_delivery d SET next_attempt_at = greatest(j.behind + interval '1 millisecond', now() + ${untilLookedAt})
      FROM checked j WHERE d.id = j.id AND j.standing = 'behind'
    RETURNING d.id
  )
  SELECT ${claimedJson} AS claimed, 0 AS "postponed" FROM leased d JOIN webhook_endpoint e ON e.id = d.endpoint_id
  UNION ALL SELECT NULL, count(*)::int FROM postponed`;
}
