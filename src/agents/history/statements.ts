import { sql } from '../../database/statement.ts';
import type { AgentField } from '../fields.ts';

/** Where content was stored: in the history of an agent, or in a kept answer that shows one of its versions. */
export interface VersionId {
  readonly agentId: string;
  readonly version: number;
}

/** The content of an agent at a version, as text for `parseExact`. Raw, since Prisma would parse JSON itself. */
export const snapshotStatement = ({ agentId, version }: VersionId) => sql`
  SELECT v.created_at AS "createdAt", v.snapshot::text AS snapshot FROM agent_version v
   WHERE v.agent_id = ${agentId}::uuid AND v.version = ${version}::int`;

/**
 * The value of each field, as text, in the newest version that has the field, up to and including this one. A kept answer can
 * lack a field that its version has: an older server keeps the answer to a patch that changes nothing, without the fields that it
 * does not know. Raw, since each value may be of another version.
 */
export const earlierStatement = ({ agentId, version }: VersionId, names: readonly AgentField[]) => sql`
  SELECT name, found.value
    FROM unnest(${names}::text[]) AS name,
         LATERAL (SELECT (v.snapshot->name)::text AS value FROM agent_version v
                   WHERE v.agent_id = ${agentId}::uuid AND v.version <= ${version}::int
                     AND v.snapshot->name IS NOT NULL
                   ORDER BY v.version DESC LIMIT 1) found`;

/**
 * Size of the whole history and of all kept answers on disk in bytes: rows, TOAST, indexes. Reads no rows. Null while one of
 * the tables is locked exclusively, as by a migration: the function for the size would wait for that lock.
 */
export const sizeStatement = () => sql`
  SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                                WHERE d.datname = current_database() AND l.relation IN ('agent_version'::regclass, 'idempotency_key'::regclass)
                                  AND l.mode = 'AccessExclusiveLock')
              THEN (pg_total_relation_size('agent_version') + pg_total_relation_size('idempotency_key'))::float8
          END AS bytes`;
