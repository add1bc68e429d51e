import { sql } from '../database/statement.ts';
import { claimedJson, isFree, lease } from './claim.statements.ts';

/** A delivery that will not be tried again. */
export interface FinishedDelivery {
  readonly id: string;
  /** Whether its slot may be used for the next delivery of its endpoint and agent. */
  readonly mayGoOn: boolean;
}

/**
 * Claims the next delivery of the same endpoint and agent behind each finished one. Where the slot may not be used for it, or
 * the endpoint was disabled, it is only made due, behind what has been due for longer.
 *
 * Run it after the commit of `finishStatement`, in a transaction of its own. Otherwise a concurrent claim that still sees
 * the finished delivery as pending could postpone a next one that this statement does not see yet. It changes
 * `next_attempt_at` even if the delivery is due already: a concurrent claim then finds a changed row and does not
 * postpone it. Where it locks deliveries by their ids it does not say `PENDING`, since the planner could then read an index of
 * all pending ones instead of looking the ids up.
 *
 * It waits for no lock, for the same reason as `finishStatement`. A next delivery that another transaction has locked is
 * returned as null: run the statement again for it.
 */
export const nextStatement = (finished: readonly FinishedDelivery[]) => sql`
  WITH before AS MATERIALIZED (
    SELECT b.*, finished.goes_on
      FROM unnest(${finished.map(({ id }) => id)}::uuid[], ${finished.map(({ mayGoOn }) => mayGoOn)}::boolean[])
           AS finished(id, goes_on) CROSS JOIN LATERAL (
      SELECT b.id, b.endpoint_id, b.agent_id, b.position, b.is_redelivery
        FROM webhook_delivery b WHERE b.id = finished.id LIMIT 1) b
     WHERE NOT b.is_redelivery AND b.agent_id IS NOT NULL
  ), head AS MATERIALIZED (
    SELECT b.id AS before, b.goes_on AND e.status = 'ENABLED' AS goes_on, h.id, h.is_free
      FROM before b JOIN webhook_endpoint e ON e.id = b.endpoint_id CROSS JOIN LATERAL (
      SELECT d.id, d.endpoint_id, d.agent_id, d.attempts, ${isFree} AS is_free FROM webhook_delivery d
       WHERE d.status = 'PENDING' AND NOT d.is_redelivery
         AND (d.endpoint_id, d.agent_id, d.position) > (b.endpoint_id, b.agent_id, b.position)
       ORDER BY d.endpoint_id, d.agent_id, d.position LIMIT 1) h
     WHERE h.endpoint_id = b.endpoint_id AND h.agent_id = b.agent_id AND h.attempts = 0
  ), free AS MATERIALIZED (
    SELECT d.id, head.before, head.goes_on FROM head JOIN webhook_delivery d ON d.id = head.id
     WHERE d.status NOT IN ('DELIVERED', 'FAILED') AND ${isFree}
       FOR NO KEY UPDATE OF d SKIP LOCKED
  ), moved AS (
    UPDATE webhook_delivery d
       SET next_attempt_at = now() + interval '1 millisecond',
           leased_until = CASE WHEN free.goes_on THEN now() + ${lease} END,
           lease = CASE WHEN free.goes_on THEN gen_random_uuid() END
      FROM free WHERE d.id = free.id
    RETURNING d.*, free.before, free.goes_on
  )
  SELECT d.before, ${claimedJson} AS claimed FROM moved d JOIN webhook_endpoint e ON e.id = d.endpoint_id
   WHERE d.goes_on
  UNION ALL
  SELECT h.before, NULL FROM head h WHERE h.is_free AND NOT EXISTS (SELECT FROM free WHERE free.id = h.id)`;
