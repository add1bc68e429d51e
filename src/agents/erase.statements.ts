import { sql } from '../database/statement.ts';

// Raw, since Prisma locks no rows and deletes or changes no limited number of them.

/**
 * Locks agents until the transaction ends, before what belongs to them is erased: a change that is not committed yet would
 * otherwise add a version that the statements which erase do not see.
 */
export const lockAgentsStatement = (ids: readonly string[]) =>
  sql`SELECT FROM agent WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`;

// The statements that erase return a row for each row that they erased.

/** Erases at most `limit` versions of these agents. */
export const eraseVersionsStatement = (ids: readonly string[], limit: number) => sql`
  DELETE FROM agent_version v
   USING (SELECT part.* FROM unnest(${ids}::uuid[]) AS given(id),
                 LATERAL (SELECT h.agent_id, h.version FROM agent_version h WHERE h.agent_id = given.id
                           ORDER BY h.version LIMIT ${limit}::int) part
           LIMIT ${limit}::int) part
   WHERE v.agent_id = part.agent_id AND v.version = part.version
  RETURNING v.version`;

/**
 * Erases at most `limit` deliveries of events of these agents, to any endpoint. Those whose outcome is being written are left for
 * the next transaction: waiting for several could end in a deadlock. They are found by the index on the agent, and deleted by
 * their `ctid`. It is `BETWEEN`, because with `=` the planner would ignore the ORDER BY that makes it use the index: it may then
 * read the whole table, also to find that none is left.
 */
export const eraseDeliveriesStatement = (ids: readonly string[], limit: number) => sql`
  DELETE FROM webhook_delivery WHERE ctid = ANY(ARRAY(
    SELECT part.ctid FROM unnest(${ids}::uuid[]) AS given(id),
           LATERAL (SELECT d.ctid FROM webhook_delivery d WHERE d.agent_id BETWEEN given.id AND given.id
                     ORDER BY d.agent_id LIMIT ${limit}::int FOR UPDATE OF d SKIP LOCKED) part
     LIMIT ${limit}::int))
  RETURNING id`;

/**
 * Locks one remaining delivery of an event of these agents until the transaction ends; no row if none is left. Run it where
 * `eraseDeliveriesStatement` erased none: it waits for the transaction that has locked the delivery. Without that wait, the next
 * transaction of the erasure would skip it again.
 */
export const waitForDeliveryStatement = (ids: readonly string[]) => sql`
  SELECT part.id FROM unnest(${ids}::uuid[]) AS given(id),
         LATERAL (SELECT d.id FROM webhook_delivery d WHERE d.agent_id BETWEEN given.id AND given.id
                   ORDER BY d.agent_id LIMIT 1 FOR UPDATE OF d) part
   LIMIT 1`;

/** Erases those of these agents that have neither history nor deliveries left. */
export const eraseAgentsStatement = (ids: readonly string[]) => sql`
  DELETE FROM agent a
   WHERE a.id = ANY(${ids}::uuid[]) AND NOT EXISTS (SELECT FROM agent_version v WHERE v.agent_id = a.id)
     AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.agent_id = a.id)
  RETURNING a.id`;

/**
 * Locks a deleted agent until the transaction ends, and returns its company. Must come before what belongs to it is erased: an
 * answer that a request still keeps (`changeAndKeepStatement`) would not be seen.
 */
export const lockDeletedStatement = (id: string) => sql`
  SELECT company_id AS "companyId" FROM agent WHERE id = ${id}::uuid AND deleted_at IS NOT NULL FOR UPDATE`;

/** Takes the lock under which servers delete old kept answers (`deleteOldAnswersStatement`), until the transaction ends. */
export const lockAnswersStatement = sql`SELECT FROM pg_advisory_xact_lock(7214839, 4)`;

/** Erases what at most `limit` kept answers hold about an agent or its deliveries; the rows stay. */
export const eraseContentsStatement = (id: string, limit: number) => sql`
  UPDATE idempotency_key k SET agent = NULL, answer = NULL WHERE (k.api_key_id, k.key) IN (
    SELECT o.api_key_id, o.key FROM idempotency_key o
     WHERE o.agent_id = ${id}::uuid AND (o.agent IS NOT NULL OR o.answer IS NOT NULL) LIMIT ${limit}::int)
  RETURNING k.key`;
