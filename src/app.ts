import fastifySwagger from '@fastify/swagger';
import type { FastifyBaseLogger } from 'fastify';
import { agentVersionRepository } from './agents/history/repository.ts';
import { agentVersionRoutes } from './agents/history/routes.ts';
import { agentRepository } from './agents/repository.ts';
import { agentRoutes } from './agents/routes.ts';
import { agentService } from './agents/service.ts';
import { fingerprintsOf, type KeySecrets } from './auth/api-key.ts';
import { authenticate } from './auth/authenticate.ts';
import { type Counters, memoryCounters } from './auth/counters.ts';
import { handlerTurns } from './auth/handler-turns.ts';
import { apiKeyUse } from './auth/key-use.ts';
import { apiKeyRepository } from './auth/lookup.repository.ts';
import { type Quotas, rateLimits } from './auth/rate-limits.ts';
import { ownKeyRoutes } from './auth/routes.ts';
import { directoryRepository } from './companies/directory.repository.ts';
import { companyRoutes } from './companies/routes.ts';
import type { Database } from './database/client.ts';
import { recentWrites } from './database/recent-writes.ts';
import { healthRoutes } from './health/routes.ts';
import { afterChanges } from './http/after-changes.ts';
import { body } from './http/body.ts';
import { connections } from './http/connections.ts';
import { errorHandler } from './http/error-handler.ts';
import { exactSerializer } from './http/exact-serializer.ts';
import { housekeeping } from './http/housekeeping.ts';
import { knownPaths } from './http/known-paths.ts';
import { requestLog } from './http/request-log.ts';
import { httpServer, type ServerOptions } from './http/server.ts';
import { type Meter, silent } from './metrics/meter.ts';
import { openapi } from './openapi/document.ts';
import { referencePage } from './openapi/reference-page.ts';
import { openapiRoute } from './openapi/routes.ts';
import { problemRoutes } from './problems/routes.ts';
import { type Tracing, untraced } from './tracing/spans.ts';
import { webhookRepository } from './webhooks/repository.ts';
import { webhookRoutes } from './webhooks/routes.ts';
import { sealer } from './webhooks/sealer.ts';
import { webhookService } from './webhooks/service.ts';
import type { TargetRules } from './webhooks/target.ts';

/** The options of an app; the secrets are those under which API keys are stored. */
export interface AppParts extends KeySecrets, ServerOptions {
  readonly database: Database;
  /** Names of the migrations that must be applied to the database. */
  readonly migrations: readonly string[];
  readonly logger: FastifyBaseLogger;
  /** Milliseconds within which a request is answered, not counting the time in which its body arrives; 4,800 by default. */
  readonly longestRequest?: number | undefined;
  /** Whether the reference page is served; true by default. */
  readonly docs?: boolean;
  /** The server's rate limits; without them, only keys with limits of their own are limited. */
  readonly quotas?: Quotas;
  /** Counters for the rate limits; in memory by default. */
  readonly counters?: Counters;
  /** Where webhooks may be sent besides `https` to public addresses; by default nowhere else. */
  readonly webhookRules?: TargetRules;
  /** Called after requests that may have committed a change, as there may be events to send. */
  readonly onChange?: () => void;
  /** Collects the metrics; without it nothing is measured. */
  readonly meter?: Meter;
  /** Makes spans of requests and batches; without it there are none. */
  readonly tracing?: Tracing | undefined;
}

const publicOnly: TargetRules = { allowHttp: false, allowNetworks: [] };
const unlimited: Quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 0 };

/** Assembles the HTTP server: all plugins and routes, in the order in which a request passes them. */
export async function buildApp(parts: AppParts) {
  const { database, migrations, logger, docs = true, tracing } = parts;
  const { quotas = unlimited, counters = memoryCounters(), meter = silent, webhookRules = publicOnly } = parts;
  const app = httpServer(logger, parts);

  await app.register(knownPaths);
  await app.register(requestLog, { meter, tracing });
  // First: a malformed message is 400 whatever its path.
  await app.register(connections);
  await app.register(errorHandler);
  await app.register(fastifySwagger, openapi(app.publicUrl));

  await app.register(healthRoutes, { database, migrations });
  await app.register(openapiRoute);
  await app.register(problemRoutes);
  if (docs) await app.register(referencePage);
  await app.register(async (authenticated) => {
    authenticated.setSerializerCompiler(exactSerializer);
    const limits = rateLimits(quotas, counters, meter);
    const uses = apiKeyUse(database, fingerprintsOf(parts), (err) =>
      logger.warn({ err }, 'the use of keys was not written'),
    );
    const writes = recentWrites();
    const traced = tracing?.batches ?? untraced;
    const agentRows = agentRepository(database, meter, writes, traced);
    const keys = apiKeyRepository(database, meter, writes, traced);
    await authenticated.register(authenticate, {
      keys,
      uses,
      secrets: parts,
      limits,
      longestRequest: parts.longestRequest,
    });
    if (parts.onChange) await authenticated.register(afterChanges, { onChange: parts.onChange });
    await authenticated.register(body);
    // Behind the body, so that it is parsed in the turn of its request.
    await authenticated.register(handlerTurns, { keys, readAgent: agentRows.readAhead });
    await authenticated.register(housekeeping, { deleteOutdated: agentRows.forgetAnswers });
    const agents = agentService(agentRows, agentVersionRepository(database));
    await authenticated.register(agentRoutes, { agents });
    await authenticated.register(agentVersionRoutes, { agents });
    await authenticated.register(companyRoutes, { directory: directoryRepository(database) });
    await authenticated.register(ownKeyRoutes, { database });
    const webhooks = webhookService(webhookRepository(database), sealer(parts), webhookRules);
    await authenticated.register(webhookRoutes, { webhooks });
  });

  return app;
}
