import type { Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { chunk, head, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';
import { usedMemory } from './support/used-memory.ts';

const world = await openWorld({ docs: false });

/** Megabytes of memory. */
const used = () => usedMemory() / 1024 / 1024;

const announced = 'Transfer-Encoding: chunked';

/** Heads of 16 KB that take much memory, and how many of them are 64 MB. */
const heads = [
  ['4,000 parameters', (at: number) => head(`POST /x?${parameters(at)} HTTP/1.1`, 'Host: api', announced), 400, 240],
  ['199 headers', (at: number) => head('POST /agents HTTP/1.1', ...lines(at), announced, 'Host: api'), 1_500, 980],
] as const;

const parameters = (at: number) =>
  Array.from({ length: 4_000 }, (_, name) => (at * 4_000 + name).toString(36))
    .join('&')
    .slice(0, 15_900);
const lines = (at: number) => Array.from({ length: 197 }, (_, line) => `${`N${at}-${line}`.padEnd(70, 'N')}: v`);

/** The server's sides of the connections that are made from now on. */
function acceptedSockets(): Socket[] {
  const accepted: Socket[] = [];
  const accept = (socket: Socket) => void accepted.push(socket);
  world.app.server.on('connection', accept);
  onTestFinished(() => void world.app.server.off('connection', accept));
  return accepted;
}

/** Waits until the destroyed ones are closed, and drops them all: a closed socket keeps its last request in memory. */
async function forgetClosed(sockets: Socket[]): Promise<void> {
  await vi.waitUntil(() => sockets.every(({ destroyed, closed }) => closed || !destroyed), { timeout: 60_000 });
  sockets.length = 0;
}

const isAnswered = ({ received }: RawSocket) => /^HTTP\/1\.1 40[14] /.test(received);

const areOpen = (sockets: readonly Socket[]) => sockets.filter(({ destroyed }) => !destroyed);

test.for(heads)(
  'strangers’ requests with %s that are answered, but whose bodies do not end, take at most 64 MB of memory together',
  async ([, headOf, connections, kept]) => {
    const agent = await newSubject(world);
    expect(await world.patch(agent.key, agent.id, { duration: 45 })).toMatchObject({ status: 200 });
    const accepted = acceptedSockets();
    await RawSocket.useMany(world.origin, connections, async (sockets) => {
      const before = used();
      for (const [at, socket] of sockets.entries()) socket.write(headOf(at) + chunk(' '));
      await vi.waitUntil(() => sockets.every(isAnswered), { timeout: 60_000, interval: 5 });
      const open = areOpen(accepted).length;
      await forgetClosed(accepted);
      const megabytes = used() - before;
      console.log(`${megabytes.toFixed(0)} MB, ${open} open`);
      expect(megabytes).toBeLessThan(95);
      expect(open).toBeGreaterThan(kept - 50);
      expect(open).toBeLessThan(kept + 50);
      expect(await world.patch(agent.key, agent.id, { duration: 30 })).toMatchObject({ status: 200 });
    });
  },
);

test('strangers’ requests that take much memory and do not end take at most 64 MB together, also beside many that take little', async () => {
  await RawSocket.useMany(world.origin, 1_000, async (small) => {
    for (const socket of small) socket.write(head('POST /x HTTP/1.1', 'Host: api', 'Content-Length: 1'));
    await vi.waitUntil(() => small.every(isAnswered), { timeout: 60_000, interval: 5 });
    await RawSocket.useMany(world.origin, 500, async (large) => {
      const [, headOf] = heads[0];
      const accepted = acceptedSockets();
      const before = used();
      for (const [at, socket] of large.entries()) socket.write(headOf(at) + chunk(' '));
      await vi.waitUntil(() => large.every(isAnswered), { timeout: 60_000, interval: 5 });
      await forgetClosed(accepted);
      const megabytes = used() - before;
      console.log(`${megabytes.toFixed(0)} MB`);
      expect(megabytes).toBeLessThan(95);
      expect(small.every(({ ending }) => ending === 'open')).toBe(true);
    });
  });
});

test('strangers’ answered requests that do not end, 64 MB of them, close no larger request of somebody else', async () => {
  const agent = await newSubject(world);
  // 62 KB of memory each.
  const target = `/x?${'&'.repeat(750)}`;
  await RawSocket.useMany(world.origin, 1_200, async (sockets) => {
    for (const socket of sockets) socket.write(head(`POST ${target} HTTP/1.1`, 'Host: api', 'Content-Length: 1'));
    const isOver = ({ received, ending }: RawSocket) => received.startsWith('HTTP/1.1 404 ') || ending !== 'open';
    await vi.waitUntil(() => sockets.every(isOver), { timeout: 60_000, interval: 5 });
    await RawSocket.use(world.origin, async (socket) => {
      const body = '{"duration":77}'.padEnd(262_144);
      socket.write(`${patchHead(agent, 'Content-Length: 262144')}${body}`);
      expect(await socket.answer()).toMatchObject({ status: 200, body: { id: agent.id, duration: 77 } });
    });
    expect(sockets.some(({ ending }) => ending === 'open')).toBe(true);
  });
  expect(JSON.parse(await world.row(agent.id))).toMatchObject({ version: 2, duration: 77 });
});

test('bodies of one company that stop before their end take at most 64 MB of memory together, and a whole one is served', async () => {
  const agent = await newSubject(world);
  // Of the large requests of a key that wait for its lookup at once, all but 52 are refused.
  const keys = await Promise.all(Array.from({ length: 6 }, () => world.newKey(agent.companyId)));
  const headWith = (key: string) => patchHead({ id: agent.id, key }, 'Content-Length: 262144', 'Expect: 100-continue');
  await RawSocket.useMany(world.origin, 6 * 50, async (sockets) => {
    const send = async (socket: RawSocket, at: number) => {
      socket.write(headWith(keys[at % 6]?.key ?? ''));
      await vi.waitUntil(() => socket.received.includes(' 100 Continue'), { timeout: 60_000, interval: 5 });
      socket.write(' '.repeat(131_100));
    };
    await Promise.all(sockets.map(send));
    // Those that are late are answered 408, the others are cut.
    const cut = () => sockets.filter(({ ending, received }) => ending !== 'open' && !received.includes(' 408 '));
    await vi.waitUntil(() => cut().length >= 300 - 256, { timeout: 60_000, interval: 5 });
    console.log(`${300 - cut().length} open`);
    expect(300 - cut().length).toBeGreaterThan(200);
    await RawSocket.use(world.origin, async (socket) => {
      socket.write(`${headWith(agent.key)}{"duration":77}${' '.repeat(262_144 - 15)}`);
      expect(await socket.answer(1)).toMatchObject({ status: 200, body: { id: agent.id, duration: 77 } });
    });
  });
  expect(JSON.parse(await world.row(agent.id))).toMatchObject({ version: 2, duration: 77 });
});
