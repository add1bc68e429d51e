import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { retryHeadersSchema } from '../http/idempotency-key.schema.ts';
import { setReplayHeader } from '../http/idempotency-key.ts';
import { toPage } from '../http/pages.ts';
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
  webhookListQuerySchema,
  webhookParamsSchema,
  webhookPatchSchema,
} from './schema.ts';
import type { WebhookService } from './service.ts';

const read = { scope: 'read:webhooks', orIntegration: true } as const;
const write = { scope: 'write:webhooks', orIntegration: true } as const;
const ofOne = { idOf: 'other' } as const;

type OnOne = Pick<FastifyRequest<{ Params: { id: string } }>, 'params' | 'idempotency'>;

const targetOf = ({ params, idempotency }: OnOne) => ({ id: params.id.toLowerCase(), idempotency });

/** Sends the result of a request, or of the earlier request with the same Idempotency-Key. */
function sendCompleted(reply: FastifyReply, status: number, { answer, replayed }: Completed): FastifyReply {
  setReplayHeader(reply, replayed);
  return reply.code(status).send(answer);
}

/** Webhook endpoints and their deliveries. Registered in the authenticated scope. */
export const webhookRoutes: FastifyPluginAsyncTypebox<{ webhooks: WebhookService }> = async (app, { webhooks }) => {
  const onOne = { params: webhookParamsSchema, querystring: ownerQuerySchema };
  const onOneAgain = { ...onOne, headers: retryHeadersSchema };

  app.post(
    '/webhooks',
    {
      config: write,
      schema: {
        ...createWebhook,
        querystring: ownerQuerySchema,
        headers: retryHeadersSchema,
        body: webhookDraftSchema,
      },
    },
    async ({ ownerCaller, body, idempotency }, reply) => {
      const made = await webhooks.create(ownerCaller, body, idempotency);
      return sendCompleted(reply.header('location', `${app.publicUrl.base}/webhooks/${made.webhookId}`), 201, made);
    },
  );

  app.get(
    '/webhooks',
    { config: read, schema: { ...listWebhooks, querystring: webhookListQuerySchema } },
    async ({ ownerCaller, query }) => toPage(await webhooks.list(ownerCaller, query)),
  );

  app.get('/webhooks/:id', { config: { ...read, ...ofOne }, schema: { ...getWebhook, ...onOne } }, async (request) =>
    webhooks.get(request.ownerCaller, targetOf(request)),
  );

  app.patch(
    '/webhooks/:id',
    { config: { ...write, ...ofOne }, schema: { ...updateWebhook, ...onOneAgain, body: webhookPatchSchema } },
    async (request, reply) =>
      sendCompleted(reply, 200, await webhooks.update(request.ownerCaller, targetOf(request), request.body)),
  );

  app.delete(
    '/webhooks/:id',
    { config: { ...write, ...ofOne }, schema: { ...deleteWebhook, ...onOne } },
    async (request, reply) => {
      await webhooks.remove(request.ownerCaller, targetOf(request));
      return reply.code(204).send();
    },
  );

  app.post(
    '/webhooks/:id/rotate-secret',
    { config: { ...write, ...ofOne }, schema: { ...rotateWebhookSecret, ...onOneAgain } },
    async (request, reply) =>
      sendCompleted(reply, 200, await webhooks.rotateSecret(request.ownerCaller, targetOf(request))),
  );

  app.post(
    '/webhooks/:id/ping',
    { config: { ...write, ...ofOne }, schema: { ...pingWebhook, ...onOneAgain } },
    async (request, reply) => sendCompleted(reply, 202, await webhooks.ping(request.ownerCaller, targetOf(request))),
  );

  app.get(
    '/webhooks/:id/deliveries',
    {
      config: { ...read, ...ofOne },
      schema: { ...listWebhookDeliveries, ...onOne, querystring: deliveryListQuerySchema },
    },
    async (request) => toPage(await webhooks.deliveries(request.ownerCaller, targetOf(request), request.query)),
  );

  app.post(
    '/webhooks/:id/deliveries/:deliveryId/redeliver',
    { config: { ...write, ...ofOne }, schema: { ...redeliverWebhook, ...onOneAgain, params: deliveryParamsSchema } },
    async (request, reply) => {
      const { ownerCaller, params } = request;
      const made = await webhooks.redeliver(ownerCaller, targetOf(request), params.deliveryId.toLowerCase());
      return sendCompleted(reply, 202, made);
    },
  );
};
