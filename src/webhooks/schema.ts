import { type Static, Type } from '@sinclair/typebox';
import { namesOf } from '../agents/fields.ts';
import { closed, nullable, oneOf, text, timestamp, uuid } from '../http/json-schema.ts';
import { pagedQuery, pageOf } from '../http/pages.schema.ts';
import { maxUrlLength } from '../http/size-limits.ts';
import { draft, patch } from './examples.ts';

const eventTypes = ['agent.created', 'agent.updated', 'agent.deleted', 'webhook.ping'] as const;

/** How many headers an endpoint may have (docs/contract.md#webhooks). */
export const maxHeaders = 10;

const url = Type.String({
  ...{ format: 'webhook-url', maxLength: maxUrlLength },
  description: 'Where events are sent: an https URL of a host with a public address, without user and password',
});
const events = Type.Array(oneOf(['*', ...eventTypes], 'An event type; * stands for all'), {
  ...{ minItems: 1, maxItems: 10 },
  description: 'The event types that are sent; the list is replaced whole',
});
const description = nullable(text({ maxLength: 200, description: 'What the endpoint is for; null for nothing' }));
const headers = Type.Unsafe<Readonly<Record<string, string | null>> | null>({
  ...{ type: ['object', 'null'], headerFields: true },
  description:
    `Headers of each request, at most ${maxHeaders}, such as Authorization, but none that the server sets itself or that ` +
    'frames a message. Merged by name, in any case; null removes one header, or all of them. The values are stored ' +
    'encrypted and never shown again',
});
const status = oneOf(
  ['ENABLED', 'DISABLED'],
  'A DISABLED endpoint gets no new events; waiting events are sent once it is enabled again',
);

/** What answers show beside the fields of a body: they are refused as read-only. */
const shown = ['id', 'headerNames', 'disabledReason', 'createdAt', 'updatedAt', 'lastSuccessAt', 'lastFailureAt'];
const closedToShown = { ...closed, readOnlyMembers: [...shown, 'secret'] };

export const webhookDraftSchema = Type.Object(
  { url, events, description: Type.Optional(description), headers: Type.Optional(headers) },
  { $id: 'WebhookDraft', examples: [draft], ...closedToShown },
);
export type WebhookDraft = Static<typeof webhookDraftSchema>;

export const webhookPatchSchema = Type.Partial(Type.Object({ url, events, description, headers, status }), {
  ...{ $id: 'WebhookPatch', examples: [patch] },
  ...closedToShown,
});
export type WebhookPatch = Static<typeof webhookPatchSchema>;

/** Accepted as it is: check 7 has checked it. */
const companyId = Type.Optional(
  Type.Unknown({
    description:
      'The company to act for. Ignored with company keys; an ATS key without it acts for its integration, whose endpoints ' +
      'get the events of every company that the integration manages',
  }),
);
export const ownerQuerySchema = Type.Object({ companyId }, closed);
export const webhookListQuerySchema = pagedQuery({ companyId });
export const webhookParamsSchema = Type.Object({ id: uuid('Webhook id') }, closed);

const time = (what: string) => timestamp(`${what}, in UTC`);
const timeOrNull = (what: string) => nullable(time(`${what}; null if never`));
const open = (names: readonly string[], what: string) =>
  Type.Unsafe<string>({ type: 'string', 'x-extensible-enum': names, description: what });

/** A member that is added must be nullable: answers that were kept before lack it, and are repeated with null. */
const members = {
  id: uuid('Webhook id'),
  url: Type.String({ description: 'Where events are sent' }),
  events: Type.Array(open(['*', ...eventTypes], 'An event type; * stands for all')),
  description: nullable(Type.String({ description: 'What the endpoint is for' })),
  headerNames: Type.Array(Type.String(), { description: 'Names of the headers of each request, in lower case' }),
  status: Type.String({ description: 'ENABLED or DISABLED' }),
  disabledReason: nullable(Type.String({ description: 'Why the server or its operator disabled the endpoint' })),
  createdAt: time('When the endpoint was made'),
  updatedAt: time('When it was last changed'),
  lastSuccessAt: timeOrNull('When a delivery last succeeded'),
  lastFailureAt: timeOrNull('When an attempt last failed'),
};
export const webhookSchema = Type.Object(members, { $id: 'Webhook' });
export type WebhookAnswer = Static<typeof webhookSchema>;
/** The members of an answer, in their order. */
export const webhookMembers = namesOf(members);

const secret = Type.String({ description: 'Signs the requests (Standard Webhooks); shown in this answer only' });
export const webhookWithSecretSchema = Type.Object({ ...members, secret }, { $id: 'WebhookWithSecret' });
export const webhookListSchema = pageOf(webhookSchema, 'WebhookPage');

const deliveryStatus = ['PENDING', 'DELIVERED', 'FAILED'] as const;
export const deliveryListQuerySchema = pagedQuery({
  companyId,
  status: Type.Optional(oneOf(deliveryStatus, 'Deliveries in this state')),
  agentId: Type.Optional(uuid('Deliveries of events of this agent')),
});
export type DeliveryListQuery = Static<typeof deliveryListQuerySchema>;

export const deliveryParamsSchema = Type.Object(
  { ...webhookParamsSchema.properties, deliveryId: uuid('Delivery id') },
  closed,
);

/** A member that is added must be nullable, as of an endpoint. */
export const deliverySchema = Type.Object(
  {
    id: uuid('Delivery id'),
    eventId: Type.String({ description: 'The `webhook-id` of the requests; a redelivery has the same' }),
    eventType: open(eventTypes, 'What happened'),
    agentId: nullable(uuid('The agent of the event')),
    version: nullable(Type.Integer({ description: 'The version of the agent' })),
    status: Type.String({ description: 'PENDING, DELIVERED or FAILED' }),
    attempts: Type.Integer({ description: 'Attempts so far' }),
    nextAttemptAt: nullable(time('When the next attempt is due; null once there is none')),
    lastStatus: nullable(Type.Integer({ description: 'HTTP status of the last answer' })),
    lastError: nullable(Type.String({ description: 'What went wrong at the last attempt' })),
    createdAt: time('When the delivery was made'),
  },
  { $id: 'WebhookDelivery' },
);
export const deliveryMembers = namesOf(deliverySchema.properties);
export const deliveryListSchema = pageOf(deliverySchema, 'WebhookDeliveryPage');
