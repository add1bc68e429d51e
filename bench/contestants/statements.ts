import { type AgentField, agentFields, fields } from '../../src/agents/fields.ts';
import { columns, fieldOf } from '../../src/agents/row.statements.ts';

// The only code of the benchmark that depends on how the server stores agents and their history.

/** SQL for the snapshot in a history entry: the fields of a row of agent, under their API names. */
export const snapshotOf = (row: string) =>
  `jsonb_build_object(${agentFields.map((field) => `'${field}', ${row}.${fields[field].column}`).join(', ')})`;

/** Adds the first history entry of all agents. */
export const firstEntriesSql = `
  INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
  SELECT a.id, a.version, a.updated_at, ${snapshotOf('a')}, ARRAY[${agentFields.map((field) => `'${field}'`).join(', ')}]
    FROM agent a`;

/** The number of stored changes: by the versions of the agents, and by the entries of the history. */
export const storedCountsSql = `
  SELECT (SELECT coalesce(sum(version), 0) FROM agent)::float8 AS versions,
         (SELECT count(*) FROM agent_version)::float8 AS entries`;

/** The number of other sessions that run a statement in this database. */
export const busySql = `
  SELECT count(*)::float8 AS count FROM pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'`;

/** Changed agents whose newest history entry differs from their row, or lacks its author. */
export const inconsistentSql = `
  SELECT count(*)::float8 AS count
    FROM agent a LEFT JOIN agent_version v ON v.agent_id = a.id AND v.version = a.version
   WHERE a.version > 1 AND (v.snapshot = ${snapshotOf('a')} AND v.created_at = a.updated_at
     AND 'metadata' = ANY(v.changed_fields) AND v.key_id IS NOT NULL AND v.request_id IS NOT NULL) IS NOT TRUE`;

/** $1 id: an agent and its history, without values that differ from run to run. */
export const storedSql = `
  SELECT (to_jsonb(a) - 'updated_at')::text AS row,
         (SELECT jsonb_agg(to_jsonb(v) - 'created_at' - 'request_id' ORDER BY v.version)
            FROM agent_version v WHERE v.agent_id = a.id)::text AS history
    FROM agent a WHERE a.id = $1::uuid`;

/** $1 hash: the key of a request. */
export const keySql = `
  SELECT id, company_id AS "companyId", scopes, revoked_at AS "revokedAt", expires_at AS "expiresAt",
         suspended_at AS "suspendedAt"
    FROM api_key WHERE hash = $1`;

/** $1 id: whether the agent exists, for any company. */
export const existsSql = 'SELECT FROM agent WHERE id = $1::uuid AND deleted_at IS NULL';

const columnsOf = (row: string) => columns.map(([member, column]) => `${row}.${column} AS "${member}"`).join(', ');

/** $1 id: an undeleted agent, of any company. */
export const agentSql = `SELECT ${columnsOf('a')} FROM agent a WHERE a.id = $1::uuid AND a.deleted_at IS NULL`;

const newValueOf = (field: AgentField) =>
  field === 'metadata'
    ? "a.metadata || coalesce($3::jsonb->'metadata', '{}')"
    : `CASE WHEN $3::jsonb ? '${field}' THEN ${fieldOf('$3::jsonb', field)} ELSE a.${fields[field].column} END`;

const changedOf = (field: AgentField) =>
  `CASE WHEN old.${fields[field].column} IS DISTINCT FROM new.${fields[field].column} THEN '${field}' END`;

/**
 * $1 id, $2 company, $3 patch, $4 key, $5 request, $6 address: applies a patch and adds its history entry, in one statement and
 * without reading the agent first. Needs PostgreSQL 18 for `old` and `new`.
 *
 * It knows less than the server: keys of metadata are replaced, not merged at every depth, null does not remove one,
 * the limits of the merged metadata are not checked, and a patch that changes nothing counts as a change. The bodies of
 * the benchmark need none of that, so the result is the same, and the contestant is spared the work.
 */
export const patchSql = `
  WITH changed AS (
    UPDATE agent a SET ${agentFields.map((field) => `${fields[field].column} = ${newValueOf(field)}`).join(', ')},
           version = a.version + 1,
           updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), a.updated_at + interval '1 millisecond')
     WHERE a.id = $1::uuid AND a.company_id = $2::uuid AND a.deleted_at IS NULL
    RETURNING a.*, array_remove(ARRAY[${agentFields.map(changedOf).join(', ')}], NULL) AS changed_fields
  ), entry AS (
    INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, key_id, request_id, caller_address)
    SELECT c.id, c.version, c.updated_at, ${snapshotOf('c')}, c.changed_fields, $4::uuid, $5, $6 FROM changed c
  )
  SELECT ${columnsOf('c')} FROM changed c`;
