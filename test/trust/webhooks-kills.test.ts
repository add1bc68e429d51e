import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { openReceiver, type Received } from '../support/receiver.ts';
import { openWorld } from '../support/world.ts';
import {
  expectDeliveredOnce,
  newWebhookCompany,
  startChanging,
  startSending,
  untilAllDelivered,
} from './support/webhook-companies.ts';

const world = await openWorld();
const kills = inject('isShort') ? 3 : 20;

test(`a server killed ${kills} times under load sends every acknowledged change, in order, and nothing else`, async () => {
  const accepted: Received[] = [];
  // The receiver is slow, so that every kill interrupts attempts.
  const receiver = await openReceiver(async (received, response) => {
    await delay(100);
    if (response.destroyed) return;
    accepted.push(received);
    response.writeHead(204).end();
  });
  const webhookCompany = await newWebhookCompany(world, receiver.url, 12);
  const port = String(await freePort());
  let { server, origin } = await startSending(world, { PORT: port });
  const load = startChanging(webhookCompany, [origin], 16);
  for (let kill = 0; kill < kills; kill += 1) {
    await load.more(randomInt(200, 400));
    server.signal('SIGKILL');
    expect(await server.exit).toEqual({ code: null, signal: 'SIGKILL' });
    ({ server, origin } = await startSending(world, { PORT: port }));
  }
  await load.more(100);
  const acknowledged = await load.stop();
  await untilAllDelivered(world);
  console.log(`${acknowledged} changes, ${accepted.length} deliveries`);
  await expectDeliveredOnce(world, webhookCompany, { acknowledged, accepted });
});
