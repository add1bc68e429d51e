import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyBaseLogger, fastify } from 'fastify';
import { trustedProxy } from './address.ts';
import { boundedServer } from './bounded-server.ts';
import { answerUnroutable, CutAnswers } from './error-handler.ts';
import { requestIdOf } from './exchange.ts';
import { unknownUrl, type WithPublicUrl } from './public-url.ts';
import { maxHeaderBytes } from './size-limits.ts';
import { validateOnce } from './validate-once.ts';

interface Options extends WithPublicUrl {
  /** Addresses and CIDR blocks of the proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** How long a connection that has had an answer may idle. */
  readonly keepAliveSeconds?: number | undefined;
}

/** Fastify with the options and the validators of this server, and nothing registered yet. */
export function httpServer(logger: FastifyBaseLogger, options: Options = {}) {
  const { trustedProxies = [], keepAliveSeconds, publicUrl = unknownUrl } = options;
  const app = fastify({
    serverFactory: (handler) => boundedServer(handler, keepAliveSeconds),
    return503OnClosing: false,
    // Fastify's own would answer first, in a shape of its own.
    clientErrorHandler: () => {},
    loggerInstance: logger,
    // Without proxies the address of the connection itself, which costs less than looking for a header.
    trustProxy: trustedProxies.length > 0 && trustedProxy(trustedProxies),
    logController: new CutAnswers({ disableRequestLogging: true }),
    // The lines of a request name its id themselves: a logger of its own would cost more than they do.
    childLoggerFactory: (parent) => parent,
    genReqId: requestIdOf,
    frameworkErrors: answerUnroutable(publicUrl),
    routerOptions: { maxParamLength: maxHeaderBytes },
    // The absolute form of a request target (RFC 9112, section 3.2.2) names the same path.
    rewriteUrl: ({ url = '' }) => url.replace(/^https?:\/\/[^/?#]*\/?/i, '/'),
  }).withTypeProvider<TypeBoxTypeProvider>();
  validateOnce(app);
  return app;
}
