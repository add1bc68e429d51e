import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Meter } from '../metrics/meter.ts';
import { begun } from './bounded-server.ts';
import { loggedProblem } from './logged-problem.ts';

export const newRequestId = (): string => randomUUID();

const requestIds = new WeakMap<IncomingMessage, string>();

/** The caller's request id where it is 1–128 of `[A-Za-z0-9._-]`, else a new one (docs/contract.md#answers). */
export function requestIdOf(message: IncomingMessage): string {
  const given = message.headers['x-request-id'];
  if (typeof given === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(given)) return given;
  const made = requestIds.get(message) ?? newRequestId();
  requestIds.set(message, made);
  return made;
}

/**
 * Puts the request id on every answer, and writes one line and one metric for each request that was begun: never a key, a
 * body or a query. The line comes also where no hook ran, or the client went away before its answer: then the status is
 * null. A 5xx is an error of the log, with its cause.
 */
export const requestLog = fp(async (app, { meter }: { readonly meter: Meter }) => {
  const routed = new WeakMap<IncomingMessage, FastifyRequest>();
  app.decorateRequest('known');
  app.addHook('onRequest', (request, reply, done) => {
    request.known = {};
    routed.set(request.raw, request);
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    done();
  });
  app.server.prependListener(begun, (message: IncomingMessage, response: ServerResponse) => {
    const start = performance.now();
    response.once('close', () => {
      const request = routed.get(message);
      const isAnswered = response.headersSent || response.statusCode >= 400;
      const { method = '' } = message;
      const route = request?.routeOptions.url ?? null;
      const status = isAnswered ? response.statusCode : null;
      const ms = performance.now() - start;
      meter.request(method, route, status, ms / 1_000);
      const line = {
        requestId: requestIdOf(message),
        method,
        route,
        status,
        ...loggedProblem(message),
        ms: Math.round(ms * 10) / 10,
        keyId: request?.known.keyId ?? null,
        companyId: request?.known.companyId ?? null,
      };
      app.log[(status ?? 0) >= 500 ? 'error' : 'info'](line, 'request');
    });
  });
});
