import pg from 'pg';
import { agentVersionRepository } from '../../src/agents/history/repository.ts';
import { agentRepository } from '../../src/agents/repository.ts';
import { agentRoutes } from '../../src/agents/routes.ts';
import { agentJson } from '../../src/agents/row.statements.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from '../../src/agents/row.ts';
import { type AgentService, agentService } from '../../src/agents/service.ts';
import { authenticate } from '../../src/auth/authenticate.ts';
import { memoryCounters } from '../../src/auth/counters.ts';
import type { ApiKeyRepository } from '../../src/auth/lookup.repository.ts';
import { rateLimits } from '../../src/auth/rate-limits.ts';
import type { FoundKey } from '../../src/auth/row.schema.ts';
import { openDatabase } from '../../src/database/client.ts';
import { body } from '../../src/http/body.ts';
import { connections } from '../../src/http/connections.ts';
import { errorHandler } from '../../src/http/error-handler.ts';
import { agentMissing } from '../../src/http/particular-problems.ts';
import { requestLog } from '../../src/http/request-log.ts';
import { httpServer } from '../../src/http/server.ts';
import { silent } from '../../src/metrics/meter.ts';
import { logger } from './log.ts';
import { environment } from './peer.ts';

// The upper bound of this HTTP stack: what `buildApp` in src/app.ts registers for a PATCH, in the same order, but without
// `limitConcurrency` and `exactSerializer`, and with a service and keys in memory. It decides and writes nothing.

const { keys, agents } = await readAll(environment('DATABASE_URL'));

async function readAll(url: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const found = await client.query<FoundKey & { hash: string }>(
    `SELECT hash, id, company_id AS "companyId", integration_id AS "integrationId", scopes, per_minute AS "perMinute", per_hour AS "perHour", allowed_ips AS "allowedIps", NULL AS ended, false AS suspended, false AS granted FROM api_key`,
  );
  const { rows } = await client.query<{ agent: AgentJson }>(`SELECT ${agentJson('a')} AS agent FROM agent a`);
  await client.end();
  return {
    keys: new Map<string, FoundKey>(found.rows.map(({ hash, ...key }) => [hash, key])),
    agents: new Map<string, StoredAgent>(rows.map(({ agent }) => [agent.id, toStoredAgent(agent)])),
  };
}

const keysInMemory: Pick<ApiKeyRepository, 'lookUp'> = {
  lookUp: async ({ hash, agentId }) => {
    const at = performance.now();
    return {
      key: keys.get(hash),
      agentWasRead: agentId !== null,
      agent: agents.get(agentId ?? ''),
      isForeign: false,
      at,
      databaseTime: 0,
      readOrder: 1,
    };
  },
};

// Never called; completes the type of the service.
const database = openDatabase({ url: environment('DATABASE_URL'), connections: 1 });
const inMemory: AgentService = {
  ...agentService(agentRepository(database), agentVersionRepository(database)),
  update: async (_, { id }) => {
    const agent = agents.get(id);
    if (!agent) throw agentMissing();
    return { agent, changedFields: ['duration', 'metadata'] };
  },
};

const app = httpServer(logger);
await app.register(requestLog, { meter: silent });
await app.register(connections);
await app.register(errorHandler);
await app.register(async (authenticated) => {
  const limits = rateLimits({ perMinute: 0, perHour: 0, refusedPerMinute: 0 }, memoryCounters());
  const uses = { note: () => {}, settled: async () => {} };
  const secrets = { secret: environment('API_KEY_SECRET') };
  await authenticated.register(authenticate, {
    keys: keysInMemory,
    uses,
    secrets,
    limits,
  });
  await authenticated.register(body);
  await authenticated.register(agentRoutes, { agents: inMemory });
});

console.log(`Listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
