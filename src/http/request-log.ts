import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import type { Meter } from '../metrics/meter.ts';
import { begun, over } from './bounded-server.ts';
import { exchangeOf } from './exchange.ts';
import type { ApiError } from './problems.ts';

/**
 * Puts the request id on every answer, and writes one line and one metric for each request that was begun: never a key, a
 * body or a query. The line comes also where no hook ran, or the client went away before its answer: then the status is
 * null. A 5xx is an error of the log, with its cause.
 */
export const requestLog = fp(async (app, { meter }: { readonly meter: Meter }) => {
  app.addHook('onRequest', (request, reply, done) => {
    exchangeOf(request.raw).request = request;
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    done();
  });
  app.server.prependListener(begun, (message: IncomingMessage) => {
    exchangeOf(message).start = performance.now();
  });
  // Fastify's onResponse does not run for a client that went away before its answer.
  app.server.on(over, (message: IncomingMessage, response: ServerResponse) => {
    const { start, requestId, request, problem, keyId, companyId } = exchangeOf(message);
    const ms = performance.now() - start;
    const { method = '' } = message;
    const route = request?.routeOptions.url ?? null;
    const status = response.headersSent || response.statusCode >= 400 ? response.statusCode : null;
    meter.request(method, route, status, ms / 1_000);
    const line = {
      requestId,
      method,
      route,
      status,
      code: problem?.code ?? null,
      ...causeOf(problem),
      ms: Math.round(ms * 10) / 10,
      keyId,
      companyId,
    };
    app.log[(status ?? 0) >= 500 ? 'error' : 'info'](line, 'request');
  });
});

/** Of a 5xx. */
const causeOf = (problem: ApiError | undefined) =>
  problem !== undefined && problem.status >= 500 && problem.cause !== undefined ? { err: problem.cause } : undefined;
