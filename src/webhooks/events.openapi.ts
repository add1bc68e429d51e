import { eventSchemas } from './event.schema.ts';

const header = (name: string, description: string, example: string) => ({
  ...{ name, in: 'header', required: true, description, schema: { type: 'string' }, example },
});
const parameters = [
  header(
    'webhook-id',
    'The same for every attempt and for a redelivery: drop repeats by it',
    'msg_2f6c1b8e4d3a4c5f9e7a0b1c2d3e4f5a',
  ),
  header('webhook-timestamp', 'When this attempt was made, in Unix seconds', '1795921200'),
  header(
    'webhook-signature',
    'By Standard Webhooks 1.0.0: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` with the bytes of the secret. Two ' +
      'of them, separated by a space, for 24 hours after the secret was rotated',
    'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
  ),
];

const ofAgents =
  'Sent to the endpoints whose `events` have it. The events of one agent come in the order of its versions; a delivery may be ' +
  'repeated. What is not answered with 2xx within 10 s is tried again after 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 8 h, 12 h and 24 h.';
const ofPing =
  'Sent when POST /webhooks/{id}/ping asks for it, whatever `events` are. It belongs to no agent, and so has no order.';

const operationOf = (
  type: keyof typeof eventSchemas,
  operationId: string,
  summary: string,
  description = ofAgents,
) => ({
  post: {
    ...{ operationId, summary, tags: ['Webhooks'], security: [], parameters, description },
    requestBody: { required: true, content: { 'application/json': { schema: eventSchemas[type] } } },
    responses: {
      '2XX': {
        description: 'Received. Anything else, or nothing within 10 s, is tried again; 410 disables the endpoint',
      },
    },
  },
});

/** The section `webhooks` of the document: the requests that endpoints get (OpenAPI 3.1). */
export const webhookRequests = {
  'agent.created': operationOf('agent.created', 'onAgentCreated', 'An agent was created'),
  'agent.updated': operationOf('agent.updated', 'onAgentUpdated', 'An agent was changed or restored'),
  'agent.deleted': operationOf('agent.deleted', 'onAgentDeleted', 'An agent was deleted'),
  'webhook.ping': operationOf('webhook.ping', 'onWebhookPing', 'A test event was asked for', ofPing),
};
