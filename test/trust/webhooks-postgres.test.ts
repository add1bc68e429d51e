import { randomInt, randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { scopes } from '../../src/auth/api-key.ts';
import { apiKeyLifecycle } from '../../src/auth/key-lifecycle.ts';
import { companyRepository } from '../../src/companies/repository.ts';
import { openDatabase } from '../../src/database/client.ts';
import { openClient } from '../support/kept-client.ts';
import { openReceiver, type Received } from '../support/receiver.ts';
import { storeEndpoint } from '../support/sending.ts';
import {
  expectFaithful,
  type Hooked,
  type SendingWorld,
  startChanging,
  startSending,
  untilAllDelivered,
} from './support/hooked.ts';
import { makePostgres } from './support/own-postgres.ts';

const kills = inject('isShort') ? 2 : 5;
const agents = 8;

/** A PostgreSQL of its own, with a company whose changes are told. */
async function openOwn() {
  const postgres = await makePostgres();
  await postgres.start();
  const { ownerUrl, databaseUrl } = await postgres.makeDatabase();
  const sql = new pg.Pool({ connectionString: ownerUrl });
  // Broken by a kill, a connection is replaced.
  sql.on('error', () => {});
  onTestFinished(() => sql.end());
  const world: SendingWorld = { databaseUrl, secret: randomUUID().repeat(2), sql };
  const database = openDatabase({ url: ownerUrl, connections: 1 });
  try {
    const { id: companyId } = await companyRepository(database.prisma, 'tester').createCompany('Told');
    const draft = { companyId, integrationId: null, name: null, scopes, allowedIps: [], expiresAt: null };
    const { key } = await apiKeyLifecycle(database, { secret: world.secret }, 'tester').create(draft);
    return { postgres, world, companyId, key };
  } finally {
    await database.close();
  }
}

test(`PostgreSQL is killed ${kills} times under load: every acknowledged change is told, in order, and nothing else`, async () => {
  const accepted: Received[] = [];
  const receiver = await openReceiver((received, response) => {
    accepted.push(received);
    response.writeHead(204).end();
  });
  const { postgres, world, companyId, key } = await openOwn();
  const { server, origin } = await startSending(world);
  const client = openClient(key);
  const ids: string[] = [];
  for (let count = 0; count < agents; count += 1) {
    const body = { name: `Told ${count}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
    ids.push(Object((await client(origin, { line: 'POST /agents', body })).body).id);
  }
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const hooked: Hooked = { companyId, key, agents: ids, endpointId: endpoint.id, secret: endpoint.secret };
  const load = startChanging(hooked, [origin], 8);
  for (let kill = 0; kill < kills; kill += 1) {
    await load.more(randomInt(150, 300));
    postgres.signal('SIGKILL');
    await postgres.ended();
    await postgres.start();
  }
  await load.more(100);
  const acknowledged = await load.stop();
  await untilAllDelivered(world);
  console.log(`${acknowledged} changes, ${accepted.length} deliveries`);
  await expectFaithful(world, hooked, accepted);
  expect(server.stderr).toBe('');
});
