import { randomInt } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { openClient } from '../support/kept-client.ts';
import { openReceiver, type Received } from '../support/receiver.ts';
import { storeEndpoint } from '../support/sending.ts';
import { openOwnCompany } from './support/own-company.ts';
import {
  expectDeliveredOnce,
  startChanging,
  startSending,
  untilAllDelivered,
  type WebhookCompany,
} from './support/webhook-companies.ts';

const kills = inject('isShort') ? 2 : 5;
const agents = 8;

test(`with PostgreSQL killed ${kills} times under load every acknowledged change is sent, in order, and nothing else`, async () => {
  const accepted: Received[] = [];
  const receiver = await openReceiver((received, response) => {
    accepted.push(received);
    response.writeHead(204).end();
  });
  const { postgres, world, companyId, key } = await openOwnCompany();
  const { server, origin } = await startSending(world);
  const client = openClient(key);
  const ids: string[] = [];
  for (let count = 0; count < agents; count += 1) {
    const body = { name: `Told ${count}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
    ids.push(Object((await client(origin, { line: 'POST /agents', body })).body).id);
  }
  const endpoint = await storeEndpoint(world, companyId, receiver.url);
  const webhookCompany: WebhookCompany = {
    companyId,
    key,
    agents: ids,
    endpointId: endpoint.id,
    secret: endpoint.secret,
  };
  const load = startChanging(webhookCompany, [origin], 8);
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
  await expectDeliveredOnce(world, webhookCompany, { acknowledged, accepted });
  expect(server.stderr).toBe('');
});
