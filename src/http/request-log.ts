import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import type { Meter } from '../metrics/meter.ts';
import type { Tracing } from '../tracing/spans.ts';
import { callerAddress } from './address.ts';
import { begun, over } from './bounded-server.ts';
import { exchangeOf } from './exchange.ts';
import type { Fault } from './faults.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the route is for health checks, which come every few seconds: its successes are logged at level debug, and it
     * has no spans.
     */
    isProbe?: boolean;
  }
}

interface Options {
  readonly meter: Meter;
  /** Makes a span for each request; by default there is none. */
  readonly tracing?: Tracing | undefined;
}

/**
 * Adds X-Request-Id to every answer, and writes one log line and one metric for each request that was begun. The line never
 * contains a key, a body or a query. It is written even if no hook ran, or the client closed the connection before the
 * answer; the status is null then. A 5xx is logged at level error, with its cause.
 */
export const requestLog = fp(async (app, { meter, tracing }: Options) => {
  app.addHook('onRequest', (request, reply, done) => {
    const exchange = exchangeOf(request.raw);
    exchange.request = request;
    // Now, as a closed socket has no address any more.
    exchange.address = callerAddress(request.ip) ?? null;
    const { url: route = app.knownPath(request.url)?.url, config } = request.routeOptions;
    exchange.route = route ?? null;
    exchange.config = config;
    if (tracing && !config.isProbe) exchange.span = tracing.begin(request.method, route, request.url, request.headers);
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    done();
  });
  // First, so that the time of the request includes that of the router.
  app.server.prependListener(begun, exchangeOf);
  // Fastify's onResponse does not run if the client closed the connection before the answer.
  app.server.on(over, (message: IncomingMessage, response: ServerResponse) => {
    const exchange = exchangeOf(message);
    const { start, requestId, route, config, span, problem, keyId, companyId, agentId, address } = exchange;
    const ms = performance.now() - start;
    const { method = '' } = message;
    const status = response.headersSent || response.statusCode >= 400 ? response.statusCode : null;
    const code = problem?.code ?? null;
    meter.request(method, route, status, code, ms / 1_000);
    if (span) tracing?.end(span, status, code);
    const { cause, faults, status: failure = 0 } = problem ?? nothing;
    const { traceId, spanId } = span?.spanContext() ?? nothing;
    // Pino leaves out what is undefined. Members that are spread into a line cost as much as writing it.
    const line = {
      requestId,
      method,
      route,
      status,
      code,
      err: failure >= 500 ? cause : undefined,
      reason: failure === 401 ? cause : undefined,
      faults: faults && loggedFaults(faults, app.declaredNames),
      ms: Math.round(ms * 10) / 10,
      keyId,
      companyId,
      agentId,
      address,
      // As OpenTelemetry names them in logs.
      trace_id: traceId,
      span_id: spanId,
    };
    if (status !== null && status >= 500) app.log.error(line, 'request');
    else if (config.isProbe === true) app.log.debug(line, 'request');
    else app.log.info(line, 'request');
  });
});

const nothing: Partial<Record<'cause' | 'faults' | 'status' | 'traceId' | 'spanId', undefined>> = {};

/** Maximum number of faults in a log line, and of segments of a pointer. */
const maxFaults = 3;
const maxSegments = 4;

/** A place in a list, of which the longest has 50. A longer number may be a name that identifies a person. */
const isPlace = /^(?:0|[1-9]\d?)$/;

/** The place and the code of a fault, without any value. */
type LoggedFault = Pick<Fault, 'in' | 'code' | 'pointer' | 'parameter'>;

/**
 * The first faults of a request for its log line. A name that no schema declares is shown as `*`: it comes from the client
 * and may contain personal data or a secret.
 * @param declared names of all members and parameters that a request may have
 */
function loggedFaults(faults: readonly Fault[], declared: ReadonlySet<string>): LoggedFault[] {
  const known = (name: string) => (declared.has(name) ? name : '*');
  const knownPart = (pointer: string) => {
    const [root, ...names] = pointer.split('/', maxSegments + 1);
    return [root, ...names.map((name) => (isPlace.test(name) ? name : known(name)))].join('/');
  };
  return faults.slice(0, maxFaults).map(({ in: place, code, pointer, parameter }) => ({
    in: place,
    ...(pointer !== undefined && { pointer: knownPart(pointer) }),
    ...(parameter !== undefined && { parameter: known(parameter) }),
    code,
  }));
}
