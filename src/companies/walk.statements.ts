import { constant, type Statement, sql } from '../database/statement.ts';

/** Rows, of any company, that one statement reads; that takes milliseconds. */
const walked = constant('10000');

/**
 * Selects the ids of the next agents of a company behind an id, deleted ones included, and the id to continue behind; null
 * at the end of the table. There is no index on the deleted agents of a company, so this reads the whole table in batches:
 * a result can have fewer than `limit` ids, or none, before the end. Raw, since Prisma cannot filter the rows of a batch.
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
