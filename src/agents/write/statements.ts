import { isRecent } from '../../auth/lookup.statements.ts';
import { type PreparedStatement, readTime } from '../../database/statement.ts';
import { hasEndpoint, insertDeliveries } from '../../webhooks/events.statements.ts';
import { type AgentField, agentFields, fields, largeFields } from '../fields.ts';
import { fieldOf } from '../row.statements.ts';
import { contentText } from '../row.ts';
import { type Keeping, keepingText, type Step, stepText } from './step.ts';

const keepingColumns = `api_key uuid, key text, fingerprint text, agent_id uuid, agent json, changed text[],
  updated timestamptz, after int, steps int`;

const stepColumns = `id uuid, company uuid, read int, updated timestamptz, step int, steps int, content jsonb, changed text[],
  touched text[], key uuid, request text, address text, restored int`;

/**
 * The two ways in which a statement gets its steps. What it does with them is the same; but for one step the planner has
 * constants instead of joins, and the statement takes a fifth less time.
 */
const sources = {
  /**
   * $1 ids of the agents, $2 their steps as JSON. The ids are passed besides the steps, to look each up by itself (`LATERAL`):
   * the plan of a join, made while the table was small, would read the whole of it.
   */
  steps: {
    rows: `MATERIALIZED (SELECT * FROM jsonb_to_recordset($2::jsonb) AS s(${stepColumns}))`,
    ids: '(SELECT id FROM unnest($1::uuid[]) AS id ORDER BY id)',
  },
  /** $1 id of the agent, $2 content of its only step; $4 and further ones are the rest of the step. */
  oneStep: {
    rows: `NOT MATERIALIZED (
      SELECT $1::uuid AS id, $4::uuid AS company, $5::int AS read, 1 AS step, 1 AS steps, $2::jsonb AS content,
             $6::text[] AS changed, $6::text[] AS touched, $7::uuid AS key, $8::text AS request, $9::text AS address,
             $10::int AS restored, $11::timestamptz AS updated)`,
    ids: '(SELECT $1::uuid AS id)',
  },
} as const;
type StepSource = keyof typeof sources;

// An unchanged large value is assigned from the row itself: otherwise PostgreSQL would store it again (TOAST).
const newValue = (field: AgentField) =>
  largeFields.includes(field)
    ? `CASE WHEN '${field}' = ANY(s.touched) THEN ${fieldOf('s.content', field)} ELSE a.${fields[field].column} END`
    : fieldOf('s.content', field);

/**
 * When a statement writes: the lookup of the keys must be recent and, for a statement without events, no company may have a
 * webhook endpoint. Otherwise nothing is written or kept, and `why` selects a row without id.
 */
const conditions = {
  // `statement_timestamp()` is one value in all of a statement.
  withEvents: { write: isRecent('$3'), why: `SELECT NULL, NULL, false WHERE NOT ${isRecent('$3')}` },
  withoutEvents: {
    write: `${isRecent('$3')} AND NOT (SELECT "hasEndpoint" FROM endpoint_check)`,
    why: `SELECT NULL, NULL, "hasEndpoint" FROM endpoint_check WHERE "hasEndpoint" OR NOT ${isRecent('$3')}`,
  },
} as const;
type Mode = keyof typeof conditions;

/** As JSON, times do not depend on the session's DateStyle. */
const writtenOrWhy = (mode: Mode) => `
  SELECT id, to_json(updated_at) AS "updatedAt", false AS "hasEndpoint" FROM written
  UNION ALL ${conditions[mode].why}`;

const stepTime = `(w.updated_at - (s.steps - s.step) * interval '1 millisecond')`;

const endpointCheck = `, endpoint_check AS MATERIALIZED (SELECT ${hasEndpoint('SELECT company FROM step')} AS "hasEndpoint")`;

// Joined with `written`: no events for agents that were not written.
const eventsOfSteps = insertDeliveries(
  'agent.updated',
  { events: 'written w JOIN step s ON s.id = w.id', companies: 'SELECT company_id FROM written' },
  {
    ...{ agent: 's.id', company: 's.company', version: '(s.read + s.step)', at: stepTime },
    ...{ changed: 's.changed', restored: 's.restored', request: 's.request', key: 's.key' },
  },
);

/**
 * $1 and $2 by the source of the steps, $3 the earliest lookup of their callers' keys (`isRecent`). Writes each agent as its
 * last step leaves it, and a history entry and events for each step, if the stored row is still the one that was read. Its
 * version alone does not tell: a database that lost its last commits in a failover gives their versions again, at other times.
 * Returns the agents that were written. The others are missing: another change was written first, or another transaction has
 * locked the row. If the lookup is too old, nothing is written, and a row without id is returned.
 *
 * Rows are locked in the order of their ids, to avoid deadlocks between processes, and then updated by `ctid`. A row that was
 * changed between the snapshot of the statement and its lock has a new `ctid`, which the snapshot does not see: it is not
 * written, like one with another version.
 */
export const changeSql = changing('withEvents', 'steps');

/**
 * `withoutEvents` is the same without events, for companies without webhooks: making events takes a tenth of the time of the
 * statement. If one of the companies has an endpoint, nothing is written, and a row without id has `hasEndpoint` set.
 */
const changes = { withEvents: textsOf('withEvents'), withoutEvents: textsOf('withoutEvents') };

function textsOf(mode: Mode) {
  return { steps: changing(mode, 'steps'), oneStep: changing(mode, 'oneStep'), keeping: keepingChange(mode) };
}

/** The statement that writes steps. @param lookedUpAt the earliest lookup of their callers' keys, as `isRecent` judges it */
export function changeStatement(mode: Mode, steps: readonly Step[], lookedUpAt: number): PreparedStatement {
  const [step] = steps;
  if (!step || steps.length > 1) return { text: changes[mode].steps, values: valuesOf(steps, lookedUpAt) };
  const { id, content, company, read, changed, key, request, address, restored, updated } = step;
  const author = [key, request, address];
  const values = [id, contentText(content), lookedUpAt, company, read, changed, ...author, restored, updated.toJSON()];
  return { text: changes[mode].oneStep, values };
}

/**
 * The same, with $4 answers as JSON: keeps each answer whose step is written. If an answer is kept for a key already, the
 * unique violation rolls back the whole statement. Keys are inserted in order, to avoid deadlocks.
 */
export const changeAndKeepStatement = (
  mode: Mode,
  steps: readonly Step[],
  lookedUpAt: number,
  answers: readonly Keeping[],
): PreparedStatement => ({
  text: changes[mode].keeping,
  values: [...valuesOf(steps, lookedUpAt), listOf(answers.map(keepingText))],
});

const valuesOf = (steps: readonly Step[], lookedUpAt: number) => [
  [...new Set(steps.map(({ id }) => id))],
  listOf(steps.map(stepText)),
  lookedUpAt,
];

/** A JSON list of values that are JSON already. */
const listOf = (texts: readonly string[]): string => `[${texts.join(',')}]`;

const keepSql = `
  INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
  SELECT k.api_key, k.key, k.fingerprint, k.agent_id, k.agent, k.changed, k.updated
    FROM json_to_recordset($1::json) AS k(${keepingColumns})
   ORDER BY k.api_key, k.key`;

/**
 * Keeps answers. A statement of its own, so that a lock timeout or unique violation in it is known to concern an idempotency
 * key. Keys are inserted in order, to avoid deadlocks.
 */
export const keepStatement = (answers: readonly Omit<Keeping, 'after' | 'steps'>[]): PreparedStatement => ({
  text: keepSql,
  values: [listOf(answers.map(keepingText))],
});

function changing(mode: Mode, source: StepSource) {
  return `${writing(mode, source)}
  ${writtenOrWhy(mode)}`;
}

/**
 * SQL condition: the agent has not been erased, and is not until the transaction ends (`lockDeletedStatement`). For an answer
 * about an agent whose row the statement does not lock to write it: erased content must not be kept.
 */
function isNotErased(id: string) {
  return `EXISTS (SELECT FROM agent a WHERE a.id = ${id} FOR KEY SHARE)`;
}

function keepingChange(mode: Mode) {
  return `${writing(mode, 'steps')}, kept AS (
    INSERT INTO idempotency_key (api_key_id, key, fingerprint, agent_id, agent, changed_fields, updated_at)
    SELECT k.api_key, k.key, k.fingerprint, k.agent_id, k.agent, k.changed,
           CASE WHEN k.after = 0 THEN k.updated ELSE w.updated_at - (k.steps - k.after) * interval '1 millisecond' END
      FROM json_to_recordset($4::json) AS k(${keepingColumns}) LEFT JOIN written w ON w.id = k.agent_id
     WHERE (k.after = 0 AND ${conditions[mode].write} AND ${isNotErased('k.agent_id')}) OR w.id IS NOT NULL
     ORDER BY k.api_key, k.key
  )
  ${writtenOrWhy(mode)}`;
}

function writing(mode: Mode, source: StepSource) {
  const { rows, ids } = sources[source];
  return `
  WITH step AS ${rows}${mode === 'withoutEvents' ? endpointCheck : ''}, locked AS (
    SELECT found.* FROM ${ids} q CROSS JOIN LATERAL (
      SELECT a.id, a.ctid AS place FROM agent a WHERE a.id = q.id FOR NO KEY UPDATE SKIP LOCKED) found
     WHERE ${conditions[mode].write}
  ), written AS (
    UPDATE agent a SET ${agentFields.map((field) => `${fields[field].column} = ${newValue(field)}`).join(', ')},
           version = a.version + s.steps,
           updated_at = greatest(date_trunc('milliseconds', clock_timestamp()),
                                 a.updated_at + s.steps * interval '1 millisecond')
      FROM step s, locked
     WHERE a.ctid = locked.place AND locked.id = s.id AND s.step = s.steps
       AND a.company_id = s.company AND a.version = s.read AND ${readTime('a.updated_at')} = s.updated
       AND a.deleted_at IS NULL
    RETURNING a.id, a.company_id, a.updated_at
  ), entry AS (
    INSERT INTO agent_version
           (agent_id, version, created_at, snapshot, changed_fields, key_id, request_id, caller_address, restored_from)
    SELECT s.id, s.read + s.step, ${stepTime},
           s.content, s.changed, s.key, s.request, s.address, s.restored
      FROM written w JOIN step s ON s.id = w.id
  )${mode === 'withEvents' ? eventsOfSteps : ''}`;
}
