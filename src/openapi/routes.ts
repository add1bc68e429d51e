import type { FastifyPluginAsync } from 'fastify';
import { type PreparedFile, prepareFile, sendPrepared } from '../http/prepared-file.ts';

/** Serves the document, made once when all routes are there. No key needed. */
export const openapiRoute: FastifyPluginAsync = async (app) => {
  let document: PreparedFile;
  app.addHook('onReady', async () => {
    document = await prepareFile(Buffer.from(JSON.stringify(app.swagger())), 'application/json; charset=utf-8');
  });
  app.get('/openapi.json', { schema: { hide: true } }, (request, reply) => sendPrepared(document, request, reply));
};
