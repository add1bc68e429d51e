import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import fp from 'fastify-plugin';

export const newRequestId = (): string => randomUUID();

/** The caller's request id where it is 1–128 of `[A-Za-z0-9._-]`, else a new one (contract, section 5). */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : newRequestId();
}

/** Puts the request id on every answer, and writes one line a request: never a key, a body or a query. The logger of a
 * request adds its id. */
export const requestLog = fp(async (app) => {
  app.decorateRequest('known');
  app.addHook('onRequest', async (request, reply) => {
    request.known = {};
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        keyId: request.known.keyId ?? null,
        companyId: request.known.companyId ?? null,
      },
      'request',
    );
  });
});
