import { expect, test, vi } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { countWaiting, untilWaiting, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

/** The head of a PATCH whose body follows later. */
const patchHead = (key: string, id: string) =>
  head(
    `PATCH /agents/${id} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    'Content-Length: 2',
    'Expect: 100-continue',
  );

test.each([
  ['GET', 'versions/1/diff'],
  ['GET', 'versions/1'],
  ['POST', 'versions/1/restore'],
  ['GET', 'versions'],
])('thirty concurrent requests %s %s of one key leave database connections for other keys', async (method, path) => {
  const [attacker, other] = [await world.company(), await world.company()];
  const target = await world.agent(attacker.id);
  const agent = await world.agent(other.id);
  const lock = 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE';
  await whileLocked(world, lock, [], async (release) => {
    const many = Array.from({ length: 30 }, () => world.call(attacker.key, `${method} /agents/${target.id}/${path}`));
    await untilWaiting(world, 2);
    for (let time = 0; time < 10; time += 1) {
      expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
    await release();
    for (const { status } of await Promise.all(many)) expect(status).toBe(200);
  });
});

test('requests whose bodies are still arriving delay no other request, even of the same key', async () => {
  const company = await world.company();
  const agent = await world.agent(company.id);
  await RawSocket.useMany(world.origin, 100, async (sockets) => {
    for (const socket of sockets) socket.write(patchHead(company.key, agent.id));
    await vi.waitUntil(() => sockets.every(({ received }) => received.startsWith('HTTP/1.1 100 ')), {
      timeout: 60_000,
    });
    for (let time = 0; time < 20; time += 1) {
      expect((await world.call(company.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
    for (const socket of sockets) socket.write('{}');
    await vi.waitUntil(() => sockets.every(({ received }) => received.includes('HTTP/1.1 200 ')), { timeout: 60_000 });
  });
});

test('a request whose client has disconnected still counts until its statement ends', async () => {
  const [attacker, other] = [await world.company(), await world.company()];
  const target = await world.agent(attacker.id);
  const agent = await world.agent(other.id);
  const path = `/agents/${target.id}/versions/1/diff`;
  const diff = head(`GET ${path} HTTP/1.1`, 'Host: api', `Authorization: Bearer ${attacker.key}`);
  const lock = 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE';
  await whileLocked(world, lock, [], async () => {
    for (let round = 0; round < 6; round += 1) {
      await RawSocket.useMany(world.origin, 2, async (sockets) => {
        for (const socket of sockets) socket.write(diff);
        // Once this is answered, the requests sent before it have looked up their keys.
        expect((await world.call(attacker.key, `GET /agents/${target.id}`)).status).toBe(200);
        // A diff reads two versions, with a statement for each.
        expect(await countWaiting(world)).toBeLessThanOrEqual(4);
        for (const socket of sockets) socket.reset();
      });
      expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
  });
});

type Calls = ReturnType<typeof callsOf>;

/** A company with an agent whose row will be locked and another one, and an agent of another company. */
async function openBusy({ call }: Calls) {
  const [busy, other] = [await world.company(), await world.company()];
  const [held, free] = [await world.agent(busy.id), await world.agent(busy.id)];
  const { id } = await world.agent(other.id);
  const readOther = async () => expect((await call(other.key, `GET /agents/${id}`)).status).toBe(200);
  return { key: busy.key, held, free, readOther };
}

/**
 * While 64 requests of one company wait for a row lock, its next one waits until they end, and another company is served.
 * @param headersOf the headers of a request, by its number
 */
async function expectNextWaits(
  { call }: Calls,
  { key, held, free, readOther }: Awaited<ReturnType<typeof openBusy>>,
  headersOf: (at: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<void> {
  await whileAgentLocked(world, held.id, async (release) => {
    const body = { duration: 77 };
    const many = Array.from({ length: 64 }, (_, at) =>
      call(key, `PATCH /agents/${held.id}`, { body, headers: headersOf(at) }),
    );
    await untilWaiting(world, 1);
    await readOther();
    let isAnswered = false;
    const next = call(key, `GET /agents/${free.id}`, { headers: headersOf(many.length) }).finally(() => {
      isAnswered = true;
    });
    // Once this is answered, the key of `next` has been looked up.
    await readOther();
    await readOther();
    expect(isAnswered).toBe(false);
    await release();
    for (const { status } of await Promise.all([next, ...many])) expect(status).toBe(200);
  });
}

test('64 concurrent requests of one company make its next request wait until one of them ends, and delay no other company', async () => {
  const scene = await openBusy(world);
  // After its first answer a key counts towards its company.
  expect((await world.call(scene.key, `GET /agents/${scene.free.id}`)).status).toBe(200);
  await expectNextWaits(world, scene);
});

/** A server that believes `X-Forwarded-For`, and the header of a sender. */
async function openBehindProxy() {
  const { origin } = await openAnotherServer(world, { trustedProxies: ['127.0.0.1'] });
  return { origin, ...callsOf(origin), from: (sender: number) => ({ 'x-forwarded-for': `203.0.113.${sender}` }) };
}

test('the first requests of a key from several addresses count together: 64 of them make the next one wait', async () => {
  const server = await openBehindProxy();
  // Eight addresses, and one more for the next request.
  await expectNextWaits(server, await openBusy(server), (at) => server.from(at < 64 ? at % 8 : 100));
});

test('unknown keys from many addresses leave places in the queue of lookups for keys that were admitted before', async () => {
  const company = await world.company();
  const { id } = await world.agent(company.id);
  const { origin, call, from } = await openBehindProxy();
  const read = () => call(company.key, `GET /agents/${id}`, { headers: from(200) });
  const readMalformed = async () => expect((await call('malformed', `GET /agents/${id}`)).status).toBe(401);
  expect((await read()).status).toBe(200);
  const unknown = (sender: number) =>
    head(
      `GET /agents/${id} HTTP/1.1`,
      'Host: api',
      `Authorization: Bearer sk_${'0'.repeat(43)}`,
      `X-Forwarded-For: ${from(sender)['x-forwarded-for']}`,
    );
  // The queue has 1,000 places, and a batch 32.
  await RawSocket.useMany(origin, 1_200, async (sockets) => {
    const answer = await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], async (release) => {
      // The second wave takes the places of the first batch.
      for (const wave of [sockets.slice(0, 1_100), sockets.slice(1_100)]) {
        for (const [at, socket] of wave.entries()) socket.write(unknown(at % 20));
        // Answered without a lookup: what was sent before has been read then.
        await readMalformed();
      }
      const known = read();
      await readMalformed();
      await release();
      return await known;
    });
    expect(answer).toMatchObject({ status: 200, body: { id } });
  });
});
