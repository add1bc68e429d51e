import { expect, inject, test } from 'vitest';
import { openReceiver, type Received } from '../support/receiver.ts';
import { openWorld } from '../support/world.ts';
import {
  expectDeliveredOnce,
  makeAllDue,
  newWebhookCompany,
  startChanging,
  startSending,
  untilAllDelivered,
  type WebhookCompany,
} from './support/webhook-companies.ts';

const world = await openWorld();
const changes = inject('isShort') ? 25 : 300;
/** Companies with an endpoint each. An endpoint whose last attempt failed gets at most two concurrent attempts. */
const companies = 10;

test('two servers with a receiver that fails at random deliver every change in order, and never make an attempt twice at once', async () => {
  const accepted: Received[] = [];
  /** Attempts that have reached the receiver and for which the sender still waits. */
  const open = new Set<string>();
  const attempts = new Map<string, number>();
  let twice = 0;
  const outcomes = { good: 0, refused: 0, late: 0, reset: 0 };
  const receiver = await openReceiver((received, response) => {
    if (open.has(received.id)) twice += 1;
    open.add(received.id);
    response.on('close', () => open.delete(received.id));
    const attempt = (attempts.get(received.id) ?? 0) + 1;
    attempts.set(received.id, attempt);
    // The tenth attempt succeeds, because the delivery would fail after it.
    const random = attempt < 10 ? Math.random() : 1;
    if (random < 0.3) {
      outcomes.refused += 1;
      response.writeHead(500).end();
    } else if (random < 0.35) {
      outcomes.reset += 1;
      response.socket?.resetAndDestroy();
    } else if (random < 0.45) {
      // The sender times out.
      outcomes.late += 1;
    } else {
      outcomes.good += 1;
      accepted.push(received);
      response.writeHead(204).end();
    }
  });
  const webhookCompanies: WebhookCompany[] = [];
  for (let at = 0; at < companies; at += 1)
    webhookCompanies.push(await newWebhookCompany(world, `${receiver.url}/${at}`, 6));
  const servers = await Promise.all([startSending(world), startSending(world)]);
  const origins = servers.map(({ origin }) => origin);
  const loads = webhookCompanies.map((company) => startChanging(company, origins, 2));
  // Makes retries due at once; the schedule has its own tests.
  let acknowledged: number[] = [];
  const makingDue = setInterval(() => void makeAllDue(world), 500);
  try {
    await Promise.all(loads.map(({ more }) => more(changes)));
    acknowledged = await Promise.all(loads.map(({ stop }) => stop()));
    await untilAllDelivered(world);
  } finally {
    clearInterval(makingDue);
  }
  console.log(
    acknowledged.reduce((sum, count) => sum + count),
    outcomes,
  );
  expect(Object.values(outcomes)).not.toContain(0);
  expect(twice).toBe(0);
  for (const [at, company] of webhookCompanies.entries()) {
    const ofCompany = accepted.filter(({ path }) => path === `/hook/${at}`);
    await expectDeliveredOnce(world, company, { acknowledged: acknowledged[at] ?? 0, accepted: ofCompany });
  }
});
