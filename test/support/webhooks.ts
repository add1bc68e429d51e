import type { Answer } from './http.ts';
import type { World } from './world.ts';

export const target = { url: 'https://hooks.example.com/agents', events: ['*'] };

/** An endpoint that a key makes, as its answer shows it. */
export async function newWebhook(world: World, key: string, fields: object = {}, query = '') {
  const answer = await world.call(key, `POST /webhooks${query}`, { body: { ...target, ...fields } });
  if (answer.status !== 201) throw new Error(`POST /webhooks was answered ${answer.text}`);
  const { id, secret, ...shown } = Object(answer.body);
  return { id: String(id), secret: String(secret), shown: { id, ...shown }, answer };
}

/** The ids in the path of a request: that of an agent or, for webhooks, of a new endpoint and its delivery. */
export async function idsFor(world: World, line: string, agent: { readonly id: string; readonly key: string }) {
  if (!line.includes('/webhooks/:id')) return { id: agent.id, delivery: '' };
  const { id } = await newWebhook(world, agent.key);
  const { body } = await world.call(agent.key, `POST /webhooks/${id}/ping`);
  return { id, delivery: String(Object(body).id) };
}

/** A request with ids in its path. */
export const named = (line: string, { id, delivery }: { readonly id: string; readonly delivery: string }) =>
  line.replace(':id', id).replace(':deliveryId', delivery);

/** The row of an endpoint, all columns; undefined if it does not exist. */
export async function webhookRow(world: World, id: string) {
  const { rows } = await world.sql.query('SELECT to_jsonb(e) AS row FROM webhook_endpoint e WHERE id = $1', [id]);
  return rows[0]?.row;
}

/** The bodies of an endpoint's deliveries, in order. */
export async function bodiesFor(world: World, id: string): Promise<unknown[]> {
  const { rows } = await world.sql.query(
    'SELECT event_type, agent_id, company_id, version, body FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY position',
    [id],
  );
  return rows.map(({ body, ...columns }) => {
    const event = JSON.parse(body);
    const { agentId = null, companyId = columns.company_id, version = null } = event.data;
    const expected = { event_type: event.type, agent_id: agentId, company_id: companyId, version };
    if (JSON.stringify(expected) !== JSON.stringify(columns)) throw new Error(`${body} is not what its columns say`);
    return event;
  });
}

/** The types and versions of events, as short texts. */
export const inShort = (events: readonly unknown[]) =>
  events.map((event) => `${Object(event).type} ${Object(event).data.version}`);

/** The audit trail of an endpoint, oldest first. */
export async function trailOf(world: World, id: string) {
  const { rows } = await world.sql.query(
    `SELECT action, operator, acting_key_id AS key, request_id AS request, company_id AS company,
            integration_id AS integration, details
       FROM audit_entry WHERE details->>'webhookId' = $1 ORDER BY created_at`,
    [id],
  );
  return rows;
}

/** The id of a request that was answered. */
export const requestOf = ({ headers }: Answer) => headers['x-request-id'];
