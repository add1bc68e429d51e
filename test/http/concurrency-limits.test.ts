import { expect, test, vi } from 'vitest';
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
    for (let time = 0; time < 40; time += 1) {
      expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
    await release();
    // On a slow machine some have waited too long.
    for (const { status } of await Promise.all(many)) expect([200, 503]).toContain(status);
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

test('64 concurrent requests of one company make its next request wait until one of them ends, and delay no other company', async () => {
  const [busy, other] = [await world.company(), await world.company()];
  const [held, free] = [await world.agent(busy.id), await world.agent(busy.id)];
  const agent = await world.agent(other.id);
  const readOther = async () => expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
  // After its first answer a key counts towards its company.
  expect((await world.call(busy.key, `GET /agents/${free.id}`)).status).toBe(200);
  await whileAgentLocked(world, held.id, async (release) => {
    const body = { duration: 77 };
    const many = Array.from({ length: 64 }, () => world.call(busy.key, `PATCH /agents/${held.id}`, { body }));
    await untilWaiting(world, 1);
    await readOther();
    let isAnswered = false;
    const next = world.call(busy.key, `GET /agents/${free.id}`).finally(() => {
      isAnswered = true;
    });
    // Once this is answered, the key of `next` has been looked up.
    await readOther();
    await readOther();
    expect(isAnswered).toBe(false);
    await release();
    // On a slow machine some have waited too long.
    for (const { status } of await Promise.all([next, ...many])) expect([200, 503]).toContain(status);
  });
});
