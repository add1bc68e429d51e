import { constant, type Statement, sql } from '../database/statement.ts';

/** Below every id. */
export const lowestId = '00000000-0000-0000-0000-000000000000';

/** Rows of a table that are looked at in one go, whichever company they belong to: reading them takes milliseconds. */
const walked = constant('10000');

/**
 * The ids of the next agents of a company behind an id, deleted ones included, at most `limit`; and the id from which to go
 * on, null at the end of the table. No index has the deleted agents of a company, so the whole table is walked in parts.
 */
export const nextAgentsStatement = (companyId: string, after: string, limit: number): Statement => sql`
  WITH walked AS MATERIALIZED (
    SELECT a.id, a.company_id FROM agent a WHERE a.id > ${after}::uuid ORDER BY a.id LIMIT ${walked}
  ), found AS (
    SELECT w.id FROM walked w WHERE w.company_id = ${companyId}::uuid ORDER BY w.id LIMIT ${limit}::int
  )
  SELECT ARRAY(SELECT id::text FROM found ORDER BY id) AS ids,
         CASE WHEN (SELECT count(*) FROM found) = ${limit}::int
              THEN (SELECT id::text FROM found ORDER BY id DESC LIMIT 1)
              WHEN (SELECT count(*) FROM walked) = ${walked}
              THEN (SELECT id::text FROM walked ORDER BY id DESC LIMIT 1) END AS next`;
