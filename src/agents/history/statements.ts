import { sql } from '../../database/statement.ts';
import type { AgentField } from '../fields.ts';

/** Where content was stored: in the history of an agent, or in a kept answer that shows one of its versions. */
export interface Place {
  readonly agentId: string;
  readonly version: number;
}

/** What an agent was at a version. As text, for `parseExact`, and so raw: Prisma parses JSON itself. */
export const snapshotStatement = ({ agentId, version }: Place) => sql`
  SELECT v.created_at AS "createdAt", v.snapshot::text AS snapshot FROM agent_version v
   WHERE v.agent_id = ${agentId}::uuid AND v.version = ${version}::int`;

/** The value of each field in the newest version before that holds it, as text. */
export const earlierStatement = ({ agentId, version }: Place, names: readonly AgentField[]) => sql`
  SELECT name, found.value
    FROM unnest(${names}::text[]) AS name,
         LATERAL (SELECT (v.snapshot->name)::text AS value FROM agent_version v
                   WHERE v.agent_id = ${agentId}::uuid AND v.version < ${version}::int AND v.snapshot ? name
                   ORDER BY v.version DESC LIMIT 1) found`;

/**
 * Bytes of the whole history on disk: rows, long values, indexes. Asks for the size of files, and reads no row. Null while
 * the table is locked for itself, as by a migration: the size would have to wait for that.
 */
export const sizeStatement = () => sql`
  SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                                WHERE d.datname = current_database() AND l.relation = 'agent_version'::regclass
                                  AND l.mode = 'AccessExclusiveLock')
              THEN pg_total_relation_size('agent_version')::float8 END AS bytes`;
