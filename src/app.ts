import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { TObject } from '@sinclair/typebox';
import { type FastifyBaseLogger, fastify, LogController } from 'fastify';
import { addressList } from './address.ts';
import { agentRepository } from './agents/agent.repository.ts';
import { agentRoutes } from './agents/agent.routes.ts';
import { agentService } from './agents/agent.service.ts';
import { agentVersionRepository } from './agents/agent-version.repository.ts';
import { agentVersionRoutes } from './agents/agent-version.routes.ts';
import { apiKeyRepository } from './api-keys/api-key.repository.ts';
import type { KeySecrets } from './api-keys/api-key.ts';
import { apiKeyUse } from './api-keys/api-key-use.repository.ts';
import { companyRoutes } from './companies/company.routes.ts';
import { directoryRepository } from './companies/directory.repository.ts';
import type { Database } from './database/client.ts';
import type { Place } from './faults.ts';
import { healthRoutes } from './health/health.routes.ts';
import { type Meter, silent } from './metrics/meter.ts';
import { authenticate } from './plugins/authenticate.ts';
import { body } from './plugins/body.ts';
import { connectionOptions, connections } from './plugins/connections.ts';
import { answerUnroutable, errorHandler } from './plugins/error-handler.ts';
import { housekeeping } from './plugins/housekeeping.ts';
import { idempotency } from './plugins/idempotency.ts';
import { openapi, openapiRoute } from './plugins/openapi.ts';
import { refuseOtherMethods } from './plugins/other-methods.ts';
import { referencePage, referencePageScope } from './plugins/reference-page.ts';
import { requestIdOf, requestLog } from './plugins/request-log.ts';
import { type Counters, memoryCounters } from './rate-limits/counters.ts';
import { type Quotas, rateLimits } from './rate-limits/rate-limits.ts';
import { compile } from './validation.ts';

/** The secrets are those of the API keys. */
export interface AppParts extends KeySecrets {
  readonly database: Database;
  /** Names of the migrations that the database must hold. */
  readonly migrations: readonly string[];
  readonly logger: FastifyBaseLogger;
  /** Addresses and CIDR blocks of the proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /** Whether the reference page is served: it is, unless this is false. */
  readonly docs?: boolean;
  /** The server's rate limits; without them there are none, but those of keys that have some of their own. */
  readonly quotas?: Quotas;
  /** Where requests are counted for them, if not in this process. */
  readonly counters?: Counters;
  /** Is told what happens; without it nothing is measured. */
  readonly meter?: Meter;
}

const places: Readonly<Record<string, Place>> = {
  params: 'path',
  querystring: 'query',
  headers: 'header',
  body: 'body',
};

const unlimited: Quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 0 };

/** The table of contents: everything that the server consists of, in the order in which requests meet it. */
export async function buildApp(parts: AppParts) {
  const { database, migrations, logger, trustedProxies = [], docs = true } = parts;
  const { quotas = unlimited, counters = memoryCounters(), meter = silent } = parts;
  const app = fastify({
    ...connectionOptions,
    loggerInstance: logger,
    // Without proxies the address of the connection itself, which costs less than looking for a header.
    trustProxy: trustedProxies.length > 0 && addressList(trustedProxies),
    logController: new LogController({ disableRequestLogging: true }),
    // The lines of a request name its id themselves: a logger of its own would cost more than they do.
    childLoggerFactory: (parent) => parent,
    genReqId: requestIdOf,
    frameworkErrors: answerUnroutable,
    routerOptions: { maxParamLength: 16 * 1024 },
    // The absolute form of a request target (RFC 9112, section 3.2.2) names the same path.
    rewriteUrl: ({ url = '' }) => url.replace(/^https?:\/\/[^/?#]*\/?/i, '/'),
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler<TObject>(({ schema, httpPart = '' }) => compile(schema, places[httpPart] ?? 'body'));

  await app.register(requestLog, { meter });
  await app.register(errorHandler);
  await app.register(connections);
  const refuseTheRest = refuseOtherMethods(app);
  await app.register(fastifySwagger, openapi);

  await app.register(healthRoutes, { database, migrations });
  await app.register(openapiRoute);
  if (docs) {
    await app.register(async (page) => {
      await page.register(referencePageScope);
      await page.register(fastifySwaggerUi, referencePage);
    });
  }
  await app.register(async (authenticated) => {
    const limits = rateLimits(quotas, counters, meter);
    const uses = apiKeyUse(database, (err) => logger.warn({ err }, 'the use of keys was not written'));
    await authenticated.register(authenticate, {
      keys: apiKeyRepository(database, meter),
      uses,
      secrets: parts,
      limits,
    });
    await authenticated.register(body);
    await authenticated.register(idempotency);
    const rows = agentRepository(database, meter);
    await authenticated.register(housekeeping, { tidy: rows.forgetAnswers });
    const agents = agentService(rows, agentVersionRepository(database));
    await authenticated.register(agentRoutes, { agents });
    await authenticated.register(agentVersionRoutes, { agents });
    await authenticated.register(companyRoutes, { directory: directoryRepository(database) });
  });

  refuseTheRest();
  return app;
}
