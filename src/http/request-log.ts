import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import { callerAddress } from '../auth/address.ts';
import type { Meter } from '../metrics/meter.ts';
import { begun, over } from './bounded-server.ts';
import { exchangeOf } from './exchange.ts';
import { loggedFaults } from './logged-faults.ts';
import type { ApiError } from './problems.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route is asked every few seconds by whoever watches the server: what goes well is logged at debug. */
    isProbe?: boolean;
  }
}

/**
 * Puts the request id on every answer, and writes one line and one metric for each request that was begun: never a key, a
 * body or a query. The line comes also where no hook ran, or the client went away before its answer: then the status is
 * null. A 5xx is an error of the log, with its cause.
 */
export const requestLog = fp(async (app, { meter }: { readonly meter: Meter }) => {
  app.addHook('onRequest', (request, reply, done) => {
    const exchange = exchangeOf(request.raw);
    exchange.request = request;
    // While the connection is there.
    exchange.address = callerAddress(request.ip) ?? null;
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    done();
  });
  app.server.prependListener(begun, (message: IncomingMessage) => {
    exchangeOf(message).start = performance.now();
  });
  // Fastify's onResponse does not run for a client that went away before its answer.
  app.server.on(over, (message: IncomingMessage, response: ServerResponse) => {
    const { start, requestId, request, problem, keyId, companyId, agentId, address } = exchangeOf(message);
    const ms = performance.now() - start;
    const { method = '' } = message;
    const { url: route = null, config } = request?.routeOptions ?? {};
    const status = response.headersSent || response.statusCode >= 400 ? response.statusCode : null;
    const code = problem?.code ?? null;
    meter.request(method, route, status, code, ms / 1_000);
    const line = {
      requestId,
      method,
      route,
      status,
      code,
      ...(problem && whyOf(problem)),
      ms: Math.round(ms * 10) / 10,
      keyId,
      companyId,
      agentId,
      address,
    };
    if (status !== null && status >= 500) app.log.error(line, 'request');
    else if (config?.isProbe === true) app.log.debug(line, 'request');
    else app.log.info(line, 'request');
  });

  /** Of a 5xx its cause, of a 401 the case, of a 400 the first faults. */
  function whyOf({ status, cause, faults }: ApiError) {
    if (status >= 500) return cause === undefined ? undefined : { err: cause };
    if (status === 401) return { reason: cause };
    return faults && { faults: loggedFaults(faults, app.declaredNames) };
  }
});
