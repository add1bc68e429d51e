import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyBaseLogger, fastify } from 'fastify';
import { addressList } from '../auth/address.ts';
import { connectionOptions } from './connections.ts';
import { answerUnroutable, CutAnswers } from './error-handler.ts';
import { requestIdOf } from './request-log.ts';
import { validateOnce } from './validation.ts';

/**
 * Fastify with the options and the validation of this server, and nothing registered yet.
 * @param trustedProxies addresses and CIDR blocks of the proxies whose X-Forwarded-For is believed
 */
export function httpServer(logger: FastifyBaseLogger, trustedProxies: readonly string[] = []) {
  const app = fastify({
    ...connectionOptions,
    loggerInstance: logger,
    // Without proxies the address of the connection itself, which costs less than looking for a header.
    trustProxy: trustedProxies.length > 0 && addressList(trustedProxies),
    logController: new CutAnswers({ disableRequestLogging: true }),
    // The lines of a request name its id themselves: a logger of its own would cost more than they do.
    childLoggerFactory: (parent) => parent,
    genReqId: requestIdOf,
    frameworkErrors: answerUnroutable,
    routerOptions: { maxParamLength: 16 * 1024 },
    // The absolute form of a request target (RFC 9112, section 3.2.2) names the same path.
    rewriteUrl: ({ url = '' }) => url.replace(/^https?:\/\/[^/?#]*\/?/i, '/'),
  }).withTypeProvider<TypeBoxTypeProvider>();
  validateOnce(app);
  return app;
}
