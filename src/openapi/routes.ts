import type { FastifyPluginAsync } from 'fastify';
import { type PreparedFile, prepareFile, sendPrepared } from '../http/prepared-file.ts';

/** Serves the document, made once when all routes are there, and compressed at the first request for it. No key needed. */
export const openapiRoute: FastifyPluginAsync = async (app) => {
  let text = '';
  let document: Promise<PreparedFile> | undefined;
  app.addHook('onReady', async () => {
    text = JSON.stringify(app.swagger());
  });
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    document ??= prepareFile(Buffer.from(text), 'application/json; charset=utf-8');
    return sendPrepared(await document, request, reply);
  });
};
