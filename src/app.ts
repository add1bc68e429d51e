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
import { apiKeyUse } from './auth/key-use.ts';
import { apiKeyRepository } from './auth/lookup.ts';
import { ownKeyRepository } from './auth/own-key.repository.ts';
import { type Quotas, rateLimits } from './auth/rate-limits.ts';
import { ownKeyRoutes } from './auth/routes.ts';
import { shares } from './auth/shares.ts';
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
import { refuseOtherMethods } from './http/other-methods.ts';
import { readPublicUrl, unknownUrl } from './http/public-url.ts';
import { requestLog } from './http/request-log.ts';
import { httpServer } from './http/server.ts';
import { type Meter, silent } from './metrics/meter.ts';
import { openapi } from './openapi/document.ts';
import { referencePage } from './openapi/reference-page.ts';
import { openapiRoute } from './openapi/routes.ts';
import { problemRoutes } from './problems/routes.ts';
import type { AddressRules } from './webhooks/address.ts';
import { webhookRepository } from './webhooks/repository.ts';
import { webhookRoutes } from './webhooks/routes.ts';
import { sealer } from './webhooks/sealed.ts';
import { webhookService } from './webhooks/service.ts';

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
  /** The address that clients use (PUBLIC_URL), if it is known. */
  readonly publicUrl?: string | undefined;
  /** Whether the reference page is served: it is, unless this is false. */
  readonly docs?: boolean;
  /** The server's rate limits; without them there are none, but those of keys that have some of their own. */
  readonly quotas?: Quotas;
  /** Where requests are counted for them, if not in this process. */
  readonly counters?: Counters;
  /** Where webhooks may go, beside https to public addresses; by default nowhere else. */
  readonly webhookRules?: AddressRules;
  /** Called when something may have been committed: events may wait to be sent. */
  readonly onChange?: () => void;
  /** Is told what happens; without it nothing is measured. */
  readonly meter?: Meter;
}

const publicOnly: AddressRules = { allowHttp: false, allowNetworks: [] };
const unlimited: Quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 0 };

/** The table of contents: everything that the server consists of, in the order in which requests meet it. */
export async function buildApp(parts: AppParts) {
  const { database, migrations, logger, trustedProxies, keepAliveSeconds, docs = true } = parts;
  const { quotas = unlimited, counters = memoryCounters(), meter = silent, webhookRules = publicOnly } = parts;
  const publicUrl = readPublicUrl(parts.publicUrl ?? '') ?? unknownUrl;
  const app = httpServer(logger, { trustedProxies, keepAliveSeconds, publicUrl });

  await app.register(requestLog, { meter });
  await app.register(errorHandler, { publicUrl });
  await app.register(connections, { publicUrl });
  const refuseTheRest = refuseOtherMethods(app);
  await app.register(fastifySwagger, openapi(publicUrl));

  await app.register(healthRoutes, { database, migrations });
  await app.register(openapiRoute);
  await app.register(problemRoutes, { publicUrl });
  if (docs) await app.register(referencePage);
  await app.register(async (authenticated) => {
    authenticated.setSerializerCompiler(exactSerializer);
    const limits = rateLimits(quotas, counters, meter);
    const uses = apiKeyUse(database, fingerprintsOf(parts), (err) =>
      logger.warn({ err }, 'the use of keys was not written'),
    );
    const writes = recentWrites();
    const rows = agentRepository(database, meter, writes);
    await authenticated.register(authenticate, {
      keys: apiKeyRepository(database, meter, writes),
      uses,
      secrets: parts,
      limits,
      readAgent: rows.readAhead,
    });
    if (parts.onChange) await authenticated.register(afterChanges, { tell: parts.onChange });
    await authenticated.register(shares);
    await authenticated.register(body);
    await authenticated.register(housekeeping, { tidy: rows.forgetAnswers });
    const agents = agentService(rows, agentVersionRepository(database));
    await authenticated.register(agentRoutes, { agents, publicUrl });
    await authenticated.register(agentVersionRoutes, { agents });
    await authenticated.register(companyRoutes, { directory: directoryRepository(database) });
    await authenticated.register(ownKeyRoutes, { ownKeys: ownKeyRepository(database) });
    const webhooks = webhookService(webhookRepository(database), sealer(parts), webhookRules);
    await authenticated.register(webhookRoutes, { webhooks, publicUrl });
  });

  refuseTheRest();
  return app;
}
