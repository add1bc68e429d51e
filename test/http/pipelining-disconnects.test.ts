import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { beforeAll, expect, test, vi } from 'vitest';
import { silent } from '../../src/metrics/meter.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { openFlood } from '../support/flood.ts';
import { untilWaiting, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { pipelined } from '../support/pipelined.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { patch, request, linesOf, untilWritten, companyWithLargeList } = pipelined(world);
let key: string;
let companyId: string;

beforeAll(async () => {
  ({ key, id: companyId } = await world.company());
});

const makeAgents = (count: number) => Promise.all(Array.from({ length: count }, () => world.agent(companyId)));

test('a client that disconnects during a large answer causes one log line and one metric; pipelined requests behind it are not started', async () => {
  let measured = 0;
  const meter = { ...silent, request: () => (measured += 1) };
  const { origin } = await openAnotherServer(world, { meter });
  const { key: ownKey } = await companyWithLargeList();
  const { id } = await world.agent(companyId);
  const before = await world.row(id);
  const listId = randomUUID();
  const patchIds = Array.from({ length: 6 }, () => randomUUID());
  const { socket } = await openFlood(origin, { reads: false });
  socket.write(
    request('GET /agents?limit=100', ownKey, listId) +
      patchIds.map((requestId) => patch(key, id, { duration: 77 }, requestId)).join(''),
  );
  await once(socket, 'readable');
  socket.resetAndDestroy();
  await vi.waitUntil(() => linesOf([listId]).length > 0, { timeout: 60_000 });
  await untilWritten();
  expect(linesOf([listId, ...patchIds])).toEqual([{ requestId: listId, msg: 'request', status: 200 }]);
  expect(measured).toBe(1);
  expect(await world.row(id)).toBe(before);
});

test('a client that disconnects while its change waits causes one log line and one metric; pipelined requests behind it are not started', async () => {
  let measured = 0;
  const meter = { ...silent, request: () => (measured += 1) };
  const { origin } = await openAnotherServer(world, { meter });
  const [first, other] = await makeAgents(2);
  if (!first || !other) throw new Error('no agents');
  const before = await world.row(other.id);
  const requestIds = Array.from({ length: 7 }, () => randomUUID());
  await whileAgentLocked(world, first.id, async (release) => {
    await RawSocket.use(origin, async (socket) => {
      const all = requestIds.map((requestId, at) =>
        patch(key, at === 0 ? first.id : other.id, { duration: 77 }, requestId),
      );
      socket.write(all.join(''));
      await untilWaiting(world);
      socket.reset();
      await vi.waitUntil(() => linesOf(requestIds).length > 0, { timeout: 60_000 });
    });
    await release();
  });
  await vi.waitUntil(async () => JSON.parse(await world.row(first.id)).duration === 77, { timeout: 60_000 });
  await untilWritten();
  expect(linesOf(requestIds)).toEqual([{ requestId: requestIds[0], msg: 'request', status: null }]);
  expect(measured).toBe(1);
  expect(await world.row(other.id)).toBe(before);
});

test('a pipelined request behind an answer that closes the connection is not started', async () => {
  const { app, origin } = await openAnotherServer(world);
  let arrived = 0;
  app.server.on('request', () => {
    arrived += 1;
  });
  const { key: ownKey, id: ownCompany } = await companyWithLargeList();
  const { id } = await world.agent(ownCompany);
  const before = await world.row(id);
  const requestId = randomUUID();
  const { socket, closed } = await whileLocked(
    world,
    'LOCK TABLE agent IN ACCESS EXCLUSIVE MODE',
    [],
    async (release) => {
      const client = await openFlood(origin, { reads: false });
      client.socket.write(request('GET /agents?limit=100', ownKey, randomUUID()));
      await untilWaiting(world);
      const closing = app.close();
      await vi.waitUntil(() => app.draining(), { timeout: 60_000 });
      await release();
      await once(client.socket, 'readable');
      return { socket: client.socket, closed: closing };
    },
  );
  // Without a body, because the body of a closed connection could not be read.
  socket.write(request(`DELETE /agents/${id}`, ownKey, requestId));
  await vi.waitUntil(() => arrived === 2, { timeout: 60_000 });
  socket.resume();
  await closed;
  await untilWritten();
  expect(await world.row(id)).toBe(before);
  expect(linesOf([requestId])).toEqual([]);
});
