import type { FastifyPluginAsync } from 'fastify';
import { onceMade, prepareFile, sendPrepared } from '../http/prepared-file.ts';

/** Serves the document, made once when all routes are there, and compressed at the first request for it. No key needed. */
export const openapiRoute: FastifyPluginAsync = async (app) => {
  let text = '';
  const document = onceMade(() => prepareFile(Buffer.from(text), 'application/json; charset=utf-8'));
  app.addHook('onReady', async () => {
    text = JSON.stringify(app.swagger());
  });
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    return sendPrepared(await document(), request, reply);
  });
};
