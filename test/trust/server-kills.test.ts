import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { type Call, type Client, openClient, startUnlimited } from '../support/kept-client.ts';
import { newSubject } from '../support/patch-agent.ts';
import { openWorld } from '../support/world.ts';
import { type Acknowledged, expectExactlyOnce, nextCall } from './support/exactly-once.ts';

const world = await openWorld();
const kills = inject('isShort') ? 5 : 30;

/** Sends a request until it is answered, again with its idempotency key if the connection breaks. */
async function sendUntilAnswered(client: Client, origin: string, call: Call): Promise<Acknowledged> {
  const requestId = randomUUID();
  const headers = { 'x-request-id': requestId, 'idempotency-key': requestId };
  for (let times = 1; ; times += 1) {
    const answer = await client(origin, { ...call, headers }).catch(() => undefined);
    if (answer && ![409, 503].includes(answer.status)) return { requestId, call, answer, times };
    // A client that did not wait would take the processor from the server that starts.
    await delay(20);
  }
}

/** A server that is killed repeatedly and restarted on its port. */
async function openKillable() {
  const port = String(await freePort());
  let { server, origin } = await startUnlimited(world, { PORT: port });
  return {
    origin,
    async killAndRestart(): Promise<void> {
      server.signal('SIGKILL');
      expect(await server.exit).toEqual({ code: null, signal: 'SIGKILL' });
      ({ server, origin } = await startUnlimited(world, { PORT: port }));
    },
  };
}

const agents = 8;
const clients = 24;

test(`a server killed ${kills} times under load loses no acknowledged write and applies none twice`, async () => {
  const { companyId, ...first } = await newSubject(world);
  const others = await Promise.all(Array.from({ length: agents - 1 }, () => world.agent(companyId)));
  const ids = [first, ...others].map(({ id }) => id);
  const killable = await openKillable();
  const acknowledged: Acknowledged[] = [];
  let isOver = false;

  const loads = Array.from({ length: clients }, async (_, at) => {
    const client = openClient(first.key);
    for (let count = 0; !isOver; count += 1) {
      acknowledged.push(await sendUntilAnswered(client, killable.origin, nextCall(ids, `c${at}`, count)));
    }
  });
  for (let kill = 0; kill < kills; kill += 1) {
    const enough = acknowledged.length + randomInt(50, 150);
    while (acknowledged.length < enough) await delay(5);
    await killable.killAndRestart();
  }
  isOver = true;
  await Promise.all(loads);

  const resent = acknowledged.filter(({ times }) => times > 1);
  const replayed = resent.filter(({ answer }) => answer.headers['idempotent-replayed'] === 'true');
  console.log(
    `${acknowledged.length} acknowledged, ${resent.length} sent again, ${replayed.length} of them saved before`,
  );
  expect(acknowledged.length).toBeGreaterThan(kills * 50);
  await expectExactlyOnce(world, companyId, acknowledged);
});
