import { noBodySchema } from '../http/json-schema.ts';
import { ids, onePage } from '../openapi/examples.ts';
import { location, replayHeader, retryInWords } from '../openapi/headers.ts';
import { changed, created, delivery, withSecret } from './examples.ts';
import {
  deliveryListSchema,
  deliverySchema,
  webhookListSchema,
  webhookSchema,
  webhookWithSecretSchema,
} from './schema.ts';

const tags = ['Webhooks'];

export const createWebhook = {
  operationId: 'createWebhook',
  tags,
  summary: 'Create a webhook',
  description:
    'Makes an endpoint that gets events of the company, or, for an ATS key without `companyId`, of every company that the ' +
    'integration manages when an agent changes. An owner has at most 10. Only this answer shows the secret that signs the ' +
    `requests (Standard Webhooks 1.0.0). ${retryInWords}`,
  response: {
    201: {
      ...{ ...webhookWithSecretSchema, description: 'The endpoint, with its secret', examples: [withSecret] },
      headers: { ...location('webhook', `/webhooks/${ids.webhook}`), ...replayHeader },
    },
  },
};

export const listWebhooks = {
  operationId: 'listWebhooks',
  tags,
  summary: 'List webhooks',
  description: 'The endpoints of the company or of the integration, the newest first.',
  response: { 200: { ...webhookListSchema, description: 'One page of webhooks', examples: [onePage(created)] } },
};

export const getWebhook = {
  operationId: 'getWebhook',
  tags,
  summary: 'Get a webhook',
  description: 'The endpoint, without its secret and the values of its headers.',
  response: { 200: { ...webhookSchema, description: 'The endpoint', examples: [created] } },
};

export const updateWebhook = {
  operationId: 'updateWebhook',
  tags,
  summary: 'Update a webhook',
  description:
    'Changes the fields in the body (JSON Merge Patch); the other fields keep their values, but a `url` of another origin ' +
    'drops the stored headers, all but those in the same body. `status: ENABLED` enables an ' +
    `endpoint again: its waiting events are sent, and \`disabledReason\` is cleared. ${retryInWords}`,
  response: {
    200: { ...webhookSchema, description: 'The endpoint as committed', examples: [changed], headers: replayHeader },
  },
};

export const deleteWebhook = {
  operationId: 'deleteWebhook',
  tags,
  summary: 'Delete a webhook',
  description: 'Deletes the endpoint with its deliveries; what was waiting is not sent any more.',
  response: { 204: { ...noBodySchema, description: 'The endpoint is deleted' } },
};

export const rotateWebhookSecret = {
  operationId: 'rotateWebhookSecret',
  tags,
  summary: 'Rotate the secret of a webhook',
  description:
    'Makes a new secret, which only this answer shows. For 24 hours requests have two signatures, by the new secret and by ' +
    `the one before. Headers that the server can no longer read are dropped. ${retryInWords}`,
  response: {
    200: {
      ...{ ...webhookWithSecretSchema, description: 'The endpoint, with its new secret' },
      ...{ examples: [{ ...changed, secret: withSecret.secret }], headers: replayHeader },
    },
  },
};

const queued = {
  ...deliverySchema,
  description: 'The delivery that waits',
  examples: [delivery],
  headers: replayHeader,
};

export const pingWebhook = {
  operationId: 'pingWebhook',
  tags,
  summary: 'Send a test event',
  description: `Queues the event \`webhook.ping\` for the endpoint, whatever its \`events\` are. ${retryInWords}`,
  response: { 202: queued },
};

export const listWebhookDeliveries = {
  operationId: 'listWebhookDeliveries',
  tags,
  summary: 'List deliveries of a webhook',
  description:
    'What was sent to the endpoint or waits, the newest first. Finished deliveries are kept for 30 days. `total` counts up to ' +
    '100,000. An ATS key does not see deliveries about companies that the integration no longer manages.',
  response: { 200: { ...deliveryListSchema, description: 'One page of deliveries', examples: [onePage(delivery)] } },
};

export const redeliverWebhook = {
  operationId: 'redeliverWebhook',
  tags,
  summary: 'Send an event again',
  description:
    'Queues the event of a delivery once more, with the same `webhook-id`, outside the order of its agent. ' +
    `Receivers ignore a version that is not above theirs. ${retryInWords}`,
  response: { 202: queued },
};
