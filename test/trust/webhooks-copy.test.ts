import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { type Client, openClient } from '../support/kept-client.ts';
import { openCopyingReceiver } from './support/copying-receiver.ts';
import { openOwnCompany } from './support/own-company.ts';
import { startSending, untilAllDelivered } from './support/webhook-companies.ts';

const minutes = inject('isShort') ? 0.5 : 30;
const clients = 3;

const pick = <Item>(items: readonly Item[]): Item | undefined => items[randomInt(Math.max(1, items.length))];

/** Clients that create, change, restore and delete agents at random, a few times a second, until they are stopped. */
function startWork(origin: string, key: string) {
  const living: string[] = [];
  const counts = { created: 0, changed: 0, restored: 0, deleted: 0 };
  let isOver = false;

  async function send(client: Client, line: string, body?: object) {
    const headers = { 'idempotency-key': randomUUID() };
    for (;;) {
      const answer = await client(origin, { line, body, headers }).catch(() => undefined);
      // 404: another client has deleted the agent, or this one has and the answer was lost.
      if (answer && answer.status < 500 && answer.status !== 409) {
        expect(answer.status).toBeOneOf([200, 201, 204, 404]);
        return answer;
      }
      await delay(50);
    }
  }

  async function change(client: Client): Promise<void> {
    const random = Math.random();
    const id = pick(living);
    if (!id || living.length < 20 || (random < 0.1 && living.length < 60)) {
      const body = { name: `Agent ${randomUUID()}`, type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
      living.push(Object((await send(client, 'POST /agents', body)).body).id);
      counts.created += 1;
    } else if (random < 0.2) {
      living.splice(living.indexOf(id), 1);
      await send(client, `DELETE /agents/${id}`);
      counts.deleted += 1;
    } else if (random < 0.3) {
      await send(client, `POST /agents/${id}/versions/1/restore`);
      counts.restored += 1;
    } else {
      const metadata = { [`key ${randomInt(5)}`]: randomUUID() };
      await send(client, `PATCH /agents/${id}`, { duration: 15 + randomInt(4) * 15, metadata });
      counts.changed += 1;
    }
  }

  const running = Array.from({ length: clients }, async () => {
    const client = openClient(key);
    while (!isOver) {
      await change(client);
      await delay(randomInt(200, 1_200));
    }
  });
  return {
    counts,
    async stop(): Promise<void> {
      isOver = true;
      await Promise.all(running);
    },
  };
}

const title = `${minutes} minutes of random changes, crashes and outages: a receiver by docs/webhooks.md has a faithful copy`;
test(title, { timeout: (minutes + 15) * 60_000 }, async () => {
  const { postgres, world, companyId, key } = await openOwnCompany();
  const env = { PORT: String(await freePort()) };
  let { server, origin } = await startSending(world, env);
  const work = startWork(origin, key);
  const receiver = await openCopyingReceiver(origin, key);

  const failures = {
    async serverKilled() {
      server.signal('SIGKILL');
      await server.exit;
      await delay(randomInt(3_000));
      ({ server, origin } = await startSending(world, env));
    },
    async postgresKilled() {
      postgres.signal('SIGKILL');
      await postgres.ended();
      await delay(randomInt(3_000));
      await postgres.start();
    },
    receiverKilled: () => receiver.crashFor(randomInt(500, 8_000)),
    receiverFails: () => receiver.fail('answers 500', randomInt(500, 8_000)),
    receiverHangs: () => receiver.fail('does not answer', randomInt(500, 15_000)),
    answersLost: () => receiver.fail('loses its answers', randomInt(500, 8_000)),
    endpointDisabled: () => receiver.fail('answers 410', randomInt(2_000, 8_000)),
    secretRotated: () => receiver.rotateSecret(),
    async eventsSentAgain() {
      const client = openClient(key);
      const path = `/webhooks/${receiver.webhookId}/deliveries`;
      const list = await client(origin, { line: `GET ${path}?limit=100` }).catch(() => undefined);
      for (const { id } of (Object(list?.body).data ?? []).slice(0, 20)) {
        await client(origin, { line: `POST ${path}/${id}/redeliver` }).catch(() => undefined);
      }
    },
  };
  const counts = new Map<string, number>();
  const end = performance.now() + minutes * 60_000;
  do {
    for (const [name, failure] of Object.entries(failures).toSorted(() => Math.random() - 0.5)) {
      await failure();
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await delay(randomInt(500, 1_000 + minutes * 300));
    }
  } while (performance.now() < end);

  await work.stop();
  await receiver.settled();
  await untilAllDelivered(world);
  await receiver.settled();

  const client = openClient(key);
  const { rows } = await world.sql.query('SELECT id FROM agent WHERE company_id = $1 AND deleted_at IS NULL', [
    companyId,
  ]);
  const now = new Map<string, unknown>();
  for (const { id } of rows) now.set(id, (await client(origin, { line: `GET /agents/${id}` })).body);
  console.log({ ...work.counts, ...Object.fromEntries(counts), ...receiver.counts(), agents: now.size });
  expect(now.size).toBeGreaterThan(0);
  const { rows: events } = await world.sql.query('SELECT DISTINCT event_id FROM webhook_delivery');
  expect([...receiver.eventIds].toSorted()).toEqual(events.map(({ event_id }) => event_id).toSorted());
  expect(receiver.agents()).toEqual(now);
});
