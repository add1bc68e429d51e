import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyBaseLogger, fastify } from 'fastify';
import { trustedProxy } from './address.ts';
import { boundedServer } from './bounded-server.ts';
import { AbortedResponses, answerUnroutable } from './error-handler.ts';
import { exchangeOf } from './exchange.ts';
import { type PublicUrl, readPublicUrl } from './public-url.ts';
import { pathAndQuery } from './request-target.ts';
import { maxHeaderBytes } from './size-limits.ts';
import { validateOnce } from './validate-once.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly publicUrl: PublicUrl;
  }
}

export interface ServerOptions {
  /** The URL that clients use (PUBLIC_URL), if it is known. */
  readonly publicUrl?: string | undefined;
  /** Addresses and CIDR blocks of the trusted proxies, whose X-Forwarded-For is used. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Seconds for which a connection may be idle after an answer; 72 by default. */
  readonly keepAliveSeconds?: number | undefined;
}

/** Makes Fastify with the options and the validation of this server; nothing is registered yet. */
export function httpServer(logger: FastifyBaseLogger, options: ServerOptions = {}) {
  const { trustedProxies = [], keepAliveSeconds, publicUrl = '' } = options;
  const isProxy = trustedProxy(trustedProxies);
  const app = fastify({
    serverFactory: (handler) => boundedServer(handler, keepAliveSeconds),
    return503OnClosing: false,
    // Without this, Fastify's own handler would answer first, and not with a problem.
    clientErrorHandler: () => {},
    loggerInstance: logger,
    // Without proxies, the address of the connection: reading it is faster than looking for a header.
    trustProxy: trustedProxies.length > 0 && isProxy,
    logController: new AbortedResponses({ disableRequestLogging: true }),
    // Every line of a request has its id: a child logger for each request would cost more than its lines.
    childLoggerFactory: (parent) => parent,
    genReqId: (message) => exchangeOf(message).requestId,
    frameworkErrors: answerUnroutable(isProxy),
    routerOptions: { maxParamLength: maxHeaderBytes },
    rewriteUrl: ({ url }) => pathAndQuery(url),
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.decorate('publicUrl', readPublicUrl(publicUrl) ?? { base: '', prefix: '' });
  validateOnce(app);
  return app;
}
