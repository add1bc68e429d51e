import { expect, test, vi } from 'vitest';
import { whileLocked } from '../support/locks.ts';
import { chunk, head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Connections with a large body and with a small one: fewer than the 64 requests that one address may have under way. */
const connections = { large: 40, small: 10 };

const linesOf = (key: string) => ['Host: api', `Authorization: Bearer ${key}`, 'Content-Type: application/json'];

/** A creation with an empty object as its body, which is not valid, and as many chunks of one space behind it. */
const creation = (key: string, chunks: number) => {
  const body = chunk('{}') + chunk(' ').repeat(chunks) + chunk('');
  return head('POST /agents HTTP/1.1', ...linesOf(key), 'Transfer-Encoding: chunked') + body;
};

test.for(['behind another request', 'of a request whose key is being looked up'])(
  'bodies in small chunks, %s, take at most 64 MB of memory together; beyond that the largest are closed',
  async (where) => {
    const { key } = await world.company();
    const before = where === 'behind another request' ? head('GET /api-key HTTP/1.1', ...linesOf(key)) : '';
    const bytes = (chunks: number) => before + creation(key, chunks);
    await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], (release) =>
      RawSocket.useMany(world.origin, connections.large + connections.small, async (sockets) => {
        const [small, large] = [sockets.slice(connections.large), sockets.slice(0, connections.large)];
        // The first of the small ones sends the rest of its body at the end.
        const rest = chunk('');
        for (const [at, socket] of small.entries()) socket.write(at === 0 ? bytes(5).slice(0, -rest.length) : bytes(5));
        for (const socket of large) socket.write(bytes(10_000));
        const cut = () => large.filter(({ ending }) => ending !== 'open').length;
        // 10,000 Buffers are 5 MB, so 13 bodies fit.
        await vi.waitUntil(() => cut() >= connections.large - 13, { timeout: 60_000, interval: 20 });
        small[0]?.write(rest);
        await release();
        const isAnswered = ({ answers }: RawSocket) => answers.length === (before === '' ? 1 : 2);
        const isOver = (socket: RawSocket) => isAnswered(socket) || socket.ending !== 'open';
        await vi.waitUntil(() => sockets.every(isOver), { timeout: 60_000, interval: 20 });
        expect(small.filter(isAnswered)).toHaveLength(connections.small);
        expect(large.filter(isAnswered).length).toBeGreaterThan(10);
      }),
    );
  },
);

test.for(['read', 'discarded, because its key is wrong'])(
  'a body in small chunks does not count any more once it is %s: 20 of one connection are answered',
  async (how) => {
    const { key } = await world.company();
    const [status, its] = how === 'read' ? [400, key] : [401, 'wrong'];
    await RawSocket.use(world.origin, async (socket) => {
      for (let sent = 0; sent < 40; sent += 2) {
        // The body waits until the request before it has been answered.
        socket.write(head('GET /api-key HTTP/1.1', ...linesOf(key)) + creation(its, 10_000));
        expect(await socket.answer(sent + 1)).toMatchObject({ status });
      }
    });
  },
);
