import type { FastifyContextConfig } from 'fastify';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { fingerprintsOf } from '../../src/auth/api-key.ts';
import { authenticate } from '../../src/auth/authenticate.ts';
import { memoryCounters } from '../../src/auth/counters.ts';
import { apiKeyUse } from '../../src/auth/key-use.ts';
import { apiKeyRepository } from '../../src/auth/lookup.repository.ts';
import { rateLimits } from '../../src/auth/rate-limits.ts';
import { connections } from '../../src/http/connections.ts';
import { errorHandler } from '../../src/http/error-handler.ts';
import { requestLog } from '../../src/http/request-log.ts';
import { httpServer } from '../../src/http/server.ts';
import { silent } from '../../src/metrics/meter.ts';
import { problemCodesOf } from '../../src/openapi/checks.ts';
import { callsOf } from '../support/calls.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/**
 * A server over the world's database with one authenticated route, which answers the id of the agent that was looked
 * up.
 */
async function serverWith(url: string, config: FastifyContextConfig) {
  const database = openLimited('patient', world.databaseUrl, 2);
  const app = httpServer(pino({ enabled: false }));
  onTestFinished(async () => {
    await app.close();
    await database.close();
  });
  await app.register(requestLog, { meter: silent });
  await app.register(errorHandler);
  await app.register(connections);
  await app.register(authenticate, {
    keys: apiKeyRepository(database),
    uses: apiKeyUse(database, fingerprintsOf(world), () => {}),
    secrets: { secret: world.secret },
    limits: rateLimits({ perMinute: 0, perHour: 0, refusedPerMinute: 0 }, memoryCounters(), silent),
  });
  app.get(url, { config }, async ({ readAhead }) => ({ lookedUp: readAhead.agent?.id ?? null }));
  return callsOf(await app.listen({ host: '127.0.0.1', port: 0 }));
}

test('the id in the path is looked up as an agent only on routes that declare it as one', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId);
  const agents = await serverWith('/agents/:id/notes', { scope: 'read:agents', idOf: 'agent' });
  expect((await agents.call(key, `GET /agents/${id}/notes`)).body).toEqual({ lookedUp: id });
  const notes = await serverWith('/notes/:id', { scope: 'read:agents', idOf: 'other' });
  expect((await notes.call(key, `GET /notes/${id}`)).body).toEqual({ lookedUp: null });
});

test.for<[url: string, config: FastifyContextConfig, reason: string]>([
  ['/notes', {}, 'GET /notes declares no scope'],
  ['/notes/:id', { scope: 'read:agents' }, 'GET /notes/:id does not declare in config.idOf what :id is the id of'],
  ['/notes', { scope: 'read:agents', idOf: 'agent' }, 'GET /notes declares config.idOf, but its path has no :id'],
])('a server with the route %s and config %j does not start: %s', async ([url, config, reason]) => {
  await expect(serverWith(url, config)).rejects.toThrow(reason);
});

test('only routes on an agent are documented to answer 403 for another company’s resource', () => {
  const codesOf = (idOf: 'agent' | 'other') =>
    problemCodesOf({ method: 'GET', url: '/notes/:id', config: { scope: 'read:agents', idOf }, schema: {} });
  expect(codesOf('agent')).toContain('RESOURCE_ACCESS_DENIED');
  expect(codesOf('other')).not.toContain('RESOURCE_ACCESS_DENIED');
});
