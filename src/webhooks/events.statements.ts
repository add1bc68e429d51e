import { timeText } from '../database/statement.ts';

/** SQL expressions for the values of an event. The body that is sent has its members in this order. */
interface EventColumns {
  readonly agent: string;
  readonly company: string;
  readonly version: string;
  /** When the agent changed. */
  readonly at: string;
  /** The fields that changed, a text[]. */
  readonly changed: string;
  readonly restored: string;
  readonly request: string;
  readonly key: string;
}

const json = (value: string) => `coalesce(to_json(${value})::text, 'null')`;

/** SQL for the JSON text that is sent (docs/contract.md#webhooks). */
const bodyOf = (type: string, { agent, company, version, at, changed, restored, request, key }: EventColumns) => `
  '{"type":"${type}","timestamp":"' || ${timeText(at)}
  || '","data":{"agentId":' || ${json(agent)} || ',"companyId":' || ${json(company)} || ',"version":' || ${version}
  || ',"changedFields":' || ${json(changed)} || ',"restoredFrom":' || ${json(restored)}
  || ',"requestId":' || ${json(request)} || ',"keyId":' || ${json(key)} || '}}'`;

/** SQL for a new `webhook-id`. */
export const newEventId = `'msg_' || replace(gen_random_uuid()::text, '-', '')`;

/**
 * SQL condition: the endpoint `e` is enabled and belongs to one of the companies, or to an integration that manages one.
 * @param companies SQL query for the ids of the companies
 */
const belongsTo = (companies: string) => `e.status = 'ENABLED'
       AND (e.company_id = ANY(ARRAY(${companies}))
            OR e.integration_id = ANY(ARRAY(SELECT g.integration_id FROM integration_company g
                                             WHERE g.company_id = ANY(ARRAY(${companies})))))`;

/**
 * SQL condition: there is an enabled endpoint that may get events of one of the companies. With EXISTS the planner would
 * expect to find one soon and scan the table, where usually there is none to be found; a count makes it use the indexes.
 */
export const hasEndpoint = (companies: string) =>
  `(SELECT count(*) > 0 FROM webhook_endpoint e WHERE ${belongsTo(companies)})`;

/**
 * CTEs for a statement that changes agents: insert one delivery for each event and each endpoint subscribed to it, in the
 * order of the versions. They are committed or rolled back together with the change.
 *
 * `FOR KEY SHARE` keeps an endpoint from being deleted before the foreign key is checked: a change of an agent must not
 * fail because an endpoint is deleted at the same time. Updates of the endpoint do not conflict with this lock.
 * @param events SQL for the FROM clause: one row per event
 * @param companies SQL query for the ids of the companies; duplicates are allowed
 */
export const insertDeliveries = (
  type: 'agent.created' | 'agent.updated' | 'agent.deleted',
  { events, companies }: { readonly events: string; readonly companies: string },
  columns: EventColumns,
) => `, subscriber AS (
    SELECT e.id, e.company_id, e.integration_id FROM webhook_endpoint e
     WHERE e.events && '{*,${type}}' AND ${belongsTo(companies)}
       FOR KEY SHARE
  ), delivery AS (
    INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
    SELECT e.id, ${newEventId}, '${type}', ${columns.agent}, ${columns.company}, ${columns.version}, ${bodyOf(type, columns)}
      FROM ${events}
      JOIN subscriber e ON e.company_id = ${columns.company} OR EXISTS (
           SELECT FROM integration_company g WHERE g.company_id = ${columns.company} AND g.integration_id = e.integration_id)
     ORDER BY ${columns.version}
  )`;
