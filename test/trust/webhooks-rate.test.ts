import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { openReceiver } from '../support/receiver.ts';
import { openWorld } from '../support/world.ts';
import { newWebhookCompany, startChanging, startSending, type WebhookCompany } from './support/webhook-companies.ts';

const world = await openWorld();
const seconds = inject('isShort') ? 12 : 120;
const companies = 20;

const waiting = async (): Promise<number> => {
  const { rows } = await world.sql.query(
    `SELECT count(*)::int AS count FROM webhook_delivery WHERE status = 'PENDING'`,
  );
  return rows[0].count;
};

test('at the full rate of PATCHes with an endpoint for each company, the pending deliveries are those of less than three seconds', async () => {
  const receiver = await openReceiver();
  const webhookCompanies: WebhookCompany[] = [];
  for (let count = 0; count < companies; count += 1)
    webhookCompanies.push(await newWebhookCompany(world, receiver.url, 10));
  const { origin } = await startSending(world);
  const start = performance.now();
  const loads = webhookCompanies.map((company) => startChanging(company, [origin], 2));
  const samples: number[] = [];
  while (performance.now() - start < seconds * 1_000) {
    await delay(500);
    samples.push(await waiting());
  }
  const changes = (await Promise.all(loads.map(({ stop }) => stop()))).reduce((sum, count) => sum + count);
  const rate = changes / ((performance.now() - start) / 1_000);
  console.log(`${Math.round(rate)} changes a second; waiting: ${samples.join(' ')}`);
  expect(Math.max(...samples.slice(samples.length / 2))).toBeLessThan(3 * rate);
});
