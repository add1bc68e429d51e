/** What is said of an event, by SQL for each value. Its members stand in this order in the body that is sent. */
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

/** SQL for the bytes that are sent (docs/contract.md#webhooks). */
const bodyOf = (type: string, { agent, company, version, at, changed, restored, request, key }: EventColumns) => `
  '{"type":"${type}","timestamp":"' || to_char(${at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  || '","data":{"agentId":' || ${json(agent)} || ',"companyId":' || ${json(company)} || ',"version":' || ${version}
  || ',"changedFields":' || ${json(changed)} || ',"restoredFrom":' || ${json(restored)}
  || ',"requestId":' || ${json(request)} || ',"keyId":' || ${json(key)} || '}}'`;

/** A new webhook-id. */
export const newEventId = `'msg_' || replace(gen_random_uuid()::text, '-', '')`;

/** Endpoints of companies and of the integrations that manage them. @param companies SQL for a query of the companies */
const heardBy = (companies: string) => `e.status = 'ENABLED'
       AND (e.company_id = ANY(ARRAY(${companies}))
            OR e.integration_id = ANY(ARRAY(SELECT g.integration_id FROM integration_company g
                                             WHERE g.company_id = ANY(ARRAY(${companies})))))`;

/** Whether there is an endpoint that may want an event of one of the companies. */
export const isHeard = (companies: string) => `EXISTS (SELECT FROM webhook_endpoint e WHERE ${heardBy(companies)})`;

/**
 * Parts of a statement that changes agents: one delivery for each event and each endpoint that wants it, in the order of
 * the versions. They stand and fall with the change.
 *
 * The endpoints are locked against deletion, so that none disappears between this and the check of the foreign key: a change
 * must not fail because an endpoint was deleted. A change of an endpoint and the results of its deliveries do not wait.
 * @param events SQL for the source of events: what stands behind FROM
 * @param companies SQL for a query of the companies, each one may repeat
 */
export const deliveries = (
  type: 'agent.created' | 'agent.updated' | 'agent.deleted',
  { events, companies }: { readonly events: string; readonly companies: string },
  columns: EventColumns,
) => `, wanting AS (
    SELECT e.id, e.company_id, e.integration_id FROM webhook_endpoint e
     WHERE e.events && '{*,${type}}' AND ${heardBy(companies)}
       FOR KEY SHARE
  ), delivery AS (
    INSERT INTO webhook_delivery (endpoint_id, event_id, event_type, agent_id, company_id, version, body)
    SELECT e.id, ${newEventId}, '${type}', ${columns.agent}, ${columns.company}, ${columns.version}, ${bodyOf(type, columns)}
      FROM ${events}
      JOIN wanting e ON e.company_id = ${columns.company} OR EXISTS (
           SELECT FROM integration_company g WHERE g.company_id = ${columns.company} AND g.integration_id = e.integration_id)
     ORDER BY ${columns.version}
  )`;
