import { expect, test, vi } from 'vitest';
import { countWaiting, untilSomebodyWaits, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

/** A PATCH whose body is not sent yet. */
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
])('thirty requests %s %s of one key at once leave connections to the database for others', async (method, path) => {
  const [attacker, other] = [await world.company(), await world.company()];
  const target = await world.agent(attacker.id);
  const agent = await world.agent(other.id);
  const lock = 'LOCK TABLE agent_version IN ACCESS EXCLUSIVE MODE';
  await whileLocked(world, lock, [], async (release) => {
    const many = Array.from({ length: 30 }, () => world.call(attacker.key, `${method} /agents/${target.id}/${path}`));
    await untilSomebodyWaits(world, 2);
    for (let time = 0; time < 40; time += 1) {
      expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
    await release();
    // On a slow machine some have waited too long.
    for (const { status } of await Promise.all(many)) expect([200, 503]).toContain(status);
  });
});

test('bodies that are still on their way keep no request waiting, not of the same key either', async () => {
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

test('a client that leaves does not make room for more requests while its own is still in the database', async () => {
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
        // Behind them on the way to their keys.
        expect((await world.call(attacker.key, `GET /agents/${target.id}`)).status).toBe(200);
        // Each compares two versions, with a statement for each.
        expect(await countWaiting(world)).toBeLessThanOrEqual(4);
        for (const socket of sockets) socket.reset();
      });
      expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
    }
  });
});

test('sixty-four requests of one company at once keep its next one waiting until one of them ends, and nobody else’s', async () => {
  const [busy, other] = [await world.company(), await world.company()];
  const [held, free] = [await world.agent(busy.id), await world.agent(busy.id)];
  const agent = await world.agent(other.id);
  const readOther = async () => expect((await world.call(other.key, `GET /agents/${agent.id}`)).status).toBe(200);
  // From its first answer on a key has the share of its company.
  expect((await world.call(busy.key, `GET /agents/${free.id}`)).status).toBe(200);
  await whileAgentLocked(world, held.id, async (release) => {
    const body = { duration: 77 };
    const many = Array.from({ length: 64 }, () => world.call(busy.key, `PATCH /agents/${held.id}`, { body }));
    await untilSomebodyWaits(world, 1);
    await readOther();
    let isAnswered = false;
    const next = world.call(busy.key, `GET /agents/${free.id}`).finally(() => {
      isAnswered = true;
    });
    // Its key is looked up before theirs.
    await readOther();
    await readOther();
    expect(isAnswered).toBe(false);
    await release();
    // On a slow machine some have waited too long.
    for (const { status } of await Promise.all([next, ...many])) expect([200, 503]).toContain(status);
  });
});
