import { constant, sql } from '../../database/statement.ts';
import { agentFields } from '../fields.ts';

/** Agents that one statement reads, and versions of each of them that it reads at most. */
export const pageAgents = 200;
const pageVersions = constant('2000');

/** Which versions are removed. */
interface Pruning {
  /** Versions written before this time, in RFC 3339. */
  readonly before: string;
  /** The number of newest versions of each agent that stay, the current one included. */
  readonly keep: number;
}

/** SQL condition: the version `v` can be read without those before it. */
const isWhole = sql`NOT EXISTS (SELECT FROM unnest(${agentFields}::text[]) AS name
                       WHERE NOT v.snapshot ? name
                         AND EXISTS (SELECT FROM agent_version e
                                      WHERE e.agent_id = v.agent_id AND e.version < v.version AND e.snapshot ? name))`;

/**
 * The next agents behind an id that are not deleted, in the order of their ids. The versions from `first` up to, not including,
 * `stays` may be removed; `stays` is null if there are none. `more` is true if there may be further ones: only the oldest
 * versions of an agent are read.
 *
 * Only the beginning of a history is removed, so that the versions that stay have consecutive numbers.
 *
 * The first version that stays must be readable without the removed ones. A version by an old server lacks the fields that this
 * server did not know; each is read from the newest earlier version that has it (`snapshot.ts`). Later versions need no removed
 * version that this one does not need. If every version that is read lacks a field, as after a release was taken back, the first
 * one behind them that needs no earlier version is looked for.
 *
 * LATERAL looks up each agent by itself: with a join by id, PostgreSQL without statistics of the tables read the page once for
 * each of its agents. OFFSET 0 makes it compute `bound` and `version` once, and not wherever they are named.
 */
export const planStatement = (after: string, { before, keep }: Pruning) => sql`
  WITH listed AS MATERIALIZED (
    SELECT a.id, a.version - ${keep}::int + 1 AS kept
      FROM agent a WHERE a.id > ${after}::uuid AND a.deleted_at IS NULL ORDER BY a.id LIMIT ${pageAgents}::int
  )
  SELECT l.id, planned.first, planned.stays, planned.more IS TRUE AS more
    FROM listed l
    LEFT JOIN LATERAL (
      SELECT oldest.version AS first, whole.version AS stays, bounded.bound = begun.stop AND whole.version < l.kept AS more
        FROM (SELECT v.version, v.created_at FROM agent_version v WHERE v.agent_id = l.id ORDER BY v.version LIMIT 1) oldest,
             LATERAL (SELECT least(l.kept, oldest.version + ${pageVersions}) AS stop) begun,
             LATERAL (SELECT coalesce(
               (SELECT v.version FROM agent_version v
                 WHERE v.agent_id = l.id AND v.version > oldest.version AND v.version < begun.stop
                   AND v.created_at >= ${before}::timestamptz
                 ORDER BY v.version LIMIT 1), begun.stop) AS bound OFFSET 0) bounded,
             LATERAL (SELECT coalesce(
               (SELECT v.version FROM agent_version v
                 WHERE v.agent_id = l.id AND v.version > oldest.version AND v.version <= bounded.bound AND ${isWhole}
                 ORDER BY v.version DESC LIMIT 1),
               CASE WHEN bounded.bound = begun.stop THEN
                 (SELECT v.version FROM agent_version v
                   WHERE v.agent_id = l.id AND v.version > begun.stop AND v.version <= coalesce((
                         SELECT y.version FROM agent_version y
                          WHERE y.agent_id = l.id AND y.version >= begun.stop AND y.version < l.kept
                            AND y.created_at >= ${before}::timestamptz
                          ORDER BY y.version LIMIT 1), l.kept) AND ${isWhole}
                   ORDER BY v.version LIMIT 1) END) AS version OFFSET 0) whole
       WHERE oldest.version < l.kept AND oldest.created_at < ${before}::timestamptz) planned ON true
   ORDER BY l.id`;

/** Versions of one agent, from `first` up to, not including, `stays`. */
export interface Range {
  readonly id: string;
  readonly first: number;
  readonly stays: number;
}

/** Removes versions and inserts the audit entry; returns how many versions were removed. */
export const pruneStatement = (ranges: readonly Range[], { before, keep }: Pruning, operator: string) => sql`
  WITH pruned AS (
    DELETE FROM agent_version v
     USING unnest(${ranges.map(({ id }) => id)}::uuid[], ${ranges.map(({ first }) => first)}::int[],
                  ${ranges.map(({ stays }) => stays)}::int[]) AS r(id, first, stays)
     WHERE v.agent_id = r.id AND v.version >= r.first AND v.version < r.stays
    RETURNING v.agent_id
  ), counted AS (
    SELECT count(*)::int AS versions FROM pruned
  ), entry AS (
    INSERT INTO audit_entry (action, operator, details)
    SELECT 'history.pruned', ${operator},
           jsonb_build_object('versions', versions, 'before', ${before}::text, 'keep', ${keep}::int)
      FROM counted WHERE versions > 0
  )
  SELECT versions FROM counted`;
