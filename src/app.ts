import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyBaseLogger } from 'fastify';
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
import { healthRoutes } from './health/health.routes.ts';
import { type Meter, silent } from './metrics/meter.ts';
import { authenticate } from './plugins/authenticate.ts';
import { body } from './plugins/body.ts';
import { connections } from './plugins/connections.ts';
import { errorHandler } from './plugins/error-handler.ts';
import { housekeeping } from './plugins/housekeeping.ts';
import { httpServer } from './plugins/http-server.ts';
import { idempotency } from './plugins/idempotency.ts';
import { openapi, openapiRoute } from './plugins/openapi.ts';
import { refuseOtherMethods } from './plugins/other-methods.ts';
import { referencePage, referencePageScope } from './plugins/reference-page.ts';
import { requestLog } from './plugins/request-log.ts';
import { type Counters, memoryCounters } from './rate-limits/counters.ts';
import { type Quotas, rateLimits } from './rate-limits/rate-limits.ts';

/** The secrets are those of the API keys. */
export interface AppParts extends KeySecrets {
  readonly database: Database;
  /** Names of the migrations that the database must hold. */
  readonly migrations: readonly string[];
  readonly logger: FastifyBaseLogger;
  /** Addresses and CIDR blocks of the proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** How long a connection that has had an answer may idle: 72, unless it is given. */
  readonly keepAliveSeconds?: number | undefined;
  /** Whether the reference page is served: it is, unless this is false. */
  readonly docs?: boolean;
  /** The server's rate limits; without them there are none, but those of keys that have some of their own. */
  readonly quotas?: Quotas;
  /** Where requests are counted for them, if not in this process. */
  readonly counters?: Counters;
  /** Is told what happens; without it nothing is measured. */
  readonly meter?: Meter;
}

const unlimited: Quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 0 };

/** The table of contents: everything that the server consists of, in the order in which requests meet it. */
export async function buildApp(parts: AppParts) {
  const { database, migrations, logger, trustedProxies, keepAliveSeconds, docs = true } = parts;
  const { quotas = unlimited, counters = memoryCounters(), meter = silent } = parts;
  const app = httpServer(logger, { trustedProxies, keepAliveSeconds });

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
