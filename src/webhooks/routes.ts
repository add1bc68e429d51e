import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { toPage } from '../http/pages.ts';
import { unknownUrl, type WithPublicUrl } from '../http/public-url.ts';
import type { Completed } from './kept.statements.ts';
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhookDeliveries,
  listWebhooks,
  pingWebhook,
  redeliverWebhook,
  rotateWebhookSecret,
  updateWebhook,
} from './openapi.ts';
import {
  deliveryListQuerySchema,
  deliveryParamsSchema,
  ownerQuerySchema,
  webhookDraftSchema,
  webhookHeadersSchema,
  webhookListQuerySchema,
  webhookParamsSchema,
  webhookPatchSchema,
} from './schema.ts';
import type { WebhookService } from './service.ts';

const read = { scope: 'read:webhooks', orIntegration: true } as const;
const write = { scope: 'write:webhooks', orIntegration: true } as const;
const ofOne = { idOf: 'other' } as const;

/** Sends the result of a request, or of the earlier request with the same Idempotency-Key. */
function sendCompleted(reply: FastifyReply, status: number, { answer, replayed }: Completed): FastifyReply {
  return reply
    .code(status)
    .headers(replayed ? { 'idempotent-replayed': 'true' } : {})
    .send(answer);
}

interface Options extends WithPublicUrl {
  readonly webhooks: WebhookService;
}

/** Webhook endpoints and their deliveries. Registered in the authenticated scope. */
export const webhookRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { webhooks, publicUrl = unknownUrl }) => {
  const onOne = { params: webhookParamsSchema, querystring: ownerQuerySchema };
  const onOneAgain = { ...onOne, headers: webhookHeadersSchema };

  app.post(
    '/webhooks',
    {
      config: write,
      schema: {
        ...createWebhook,
        querystring: ownerQuerySchema,
        headers: webhookHeadersSchema,
        body: webhookDraftSchema,
      },
    },
    async ({ ownerCaller, body, idempotency }, reply) => {
      const made = await ownerCaller.deadline.race(webhooks.create(ownerCaller, body, idempotency));
      return sendCompleted(reply.header('location', `${publicUrl.base}/webhooks/${made.webhookId}`), 201, made);
    },
  );

  app.get(
    '/webhooks',
    { config: read, schema: { ...listWebhooks, querystring: webhookListQuerySchema } },
    async ({ ownerCaller, query }) => {
      const { items, total, page } = await ownerCaller.deadline.race(webhooks.list(ownerCaller, query));
      return toPage(items, total, page);
    },
  );

  app.get(
    '/webhooks/:id',
    { config: { ...read, ...ofOne }, schema: { ...getWebhook, ...onOne } },
    async ({ ownerCaller, params }) => ownerCaller.deadline.race(webhooks.get(ownerCaller, params.id.toLowerCase())),
  );

  app.patch(
    '/webhooks/:id',
    { config: { ...write, ...ofOne }, schema: { ...updateWebhook, ...onOneAgain, body: webhookPatchSchema } },
    async ({ ownerCaller, params, body, idempotency }, reply) => {
      const target = { id: params.id.toLowerCase(), idempotency };
      return sendCompleted(reply, 200, await ownerCaller.deadline.race(webhooks.update(ownerCaller, target, body)));
    },
  );

  app.delete(
    '/webhooks/:id',
    { config: { ...write, ...ofOne }, schema: { ...deleteWebhook, ...onOne } },
    async ({ ownerCaller, params }, reply) => {
      await ownerCaller.deadline.race(webhooks.remove(ownerCaller, params.id.toLowerCase()));
      return reply.code(204).send();
    },
  );

  app.post(
    '/webhooks/:id/rotate-secret',
    { config: { ...write, ...ofOne }, schema: { ...rotateWebhookSecret, ...onOneAgain } },
    async ({ ownerCaller, params, idempotency }, reply) => {
      const target = { id: params.id.toLowerCase(), idempotency };
      return sendCompleted(reply, 200, await ownerCaller.deadline.race(webhooks.rotateSecret(ownerCaller, target)));
    },
  );

  app.post(
    '/webhooks/:id/ping',
    { config: { ...write, ...ofOne }, schema: { ...pingWebhook, ...onOneAgain } },
    async ({ ownerCaller, params, idempotency }, reply) => {
      const target = { id: params.id.toLowerCase(), idempotency };
      return sendCompleted(reply, 202, await ownerCaller.deadline.race(webhooks.ping(ownerCaller, target)));
    },
  );

  app.get(
    '/webhooks/:id/deliveries',
    {
      config: { ...read, ...ofOne },
      schema: { ...listWebhookDeliveries, ...onOne, querystring: deliveryListQuerySchema },
    },
    async ({ ownerCaller, params, query }) => {
      const { items, total, page } = await ownerCaller.deadline.race(
        webhooks.deliveries(ownerCaller, params.id.toLowerCase(), query),
      );
      return toPage(items, total, page);
    },
  );

  app.post(
    '/webhooks/:id/deliveries/:deliveryId/redeliver',
    { config: { ...write, ...ofOne }, schema: { ...redeliverWebhook, ...onOneAgain, params: deliveryParamsSchema } },
    async ({ ownerCaller, params, idempotency }, reply) => {
      const target = { id: params.id.toLowerCase(), idempotency };
      return sendCompleted(
        reply,
        202,
        await ownerCaller.deadline.race(webhooks.redeliver(ownerCaller, target, params.deliveryId.toLowerCase())),
      );
    },
  );
};
