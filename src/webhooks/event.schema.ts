import { type TObject, Type } from '@sinclair/typebox';
import { nullable, timestamp, uuid } from '../http/json-schema.ts';
import { eventData, eventTime } from './examples.ts';

const happenedAt = timestamp('When it happened, in UTC');
const requestId = (what: string) => Type.String({ description: what });

const event = <Data extends TObject>(type: string, data: Data, $id: string, example: object) =>
  Type.Object(
    { type: Type.Literal(type), timestamp: happenedAt, data },
    { $id, examples: [{ type, timestamp: eventTime, data: example }] },
  );

/** `data` of all events about agents. Later releases may add members. */
const agentData = Type.Object(
  {
    agentId: uuid('Agent id'),
    companyId: uuid('Id of the company that owns the agent'),
    version: Type.Integer({ description: 'The version that the change made; of a deletion, the last version' }),
    changedFields: Type.Array(Type.String(), {
      description: 'The fields that changed: all for a creation, none for a deletion',
    }),
    restoredFrom: nullable(Type.Integer({ description: 'The version whose content was restored' })),
    requestId: nullable(requestId('X-Request-Id of the request; null for a change by the operator of the server')),
    keyId: nullable(uuid('The API key of the request; null for a change by the operator of the server')),
  },
  { $id: 'AgentEventData' },
);
const pingData = Type.Object(
  {
    webhookId: uuid('Webhook id'),
    requestId: requestId('X-Request-Id of the request that asked for it'),
    keyId: uuid('The API key of that request'),
  },
  { $id: 'PingEventData' },
);

export const eventSchemas = {
  'agent.created': event('agent.created', agentData, 'AgentCreatedEvent', eventData.created),
  'agent.updated': event('agent.updated', agentData, 'AgentUpdatedEvent', eventData.updated),
  'agent.deleted': event('agent.deleted', agentData, 'AgentDeletedEvent', eventData.deleted),
  'webhook.ping': event('webhook.ping', pingData, 'WebhookPingEvent', eventData.ping),
};
