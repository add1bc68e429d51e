import { expect, test, vi } from 'vitest';
import { whileLocked } from '../support/locks.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const withHeaders = (...lines: string[]) => head('GET /health/live HTTP/1.1', 'Host: api', ...lines);

/** Requests of nearly 16 KB or many headers, on how many connections they are sent, and more than how many stay open. */
const queues = [
  // 16 requests of a connection are 280 KB, so 240 connections fit.
  ['a long header', withHeaders(`X-Long: ${'x'.repeat(15_500)}`), 320, 220],
  ['a long path', head(`GET /${'x'.repeat(15_500)} HTTP/1.1`, 'Host: api'), 320, 220],
  // 16 requests of a connection are 670 KB.
  ['200 headers', withHeaders(...Array<string>(199).fill('D:')), 320, 90],
] as const;

test.for(queues)(
  'pipelined requests with %s take at most 64 MB of memory together; beyond that the longest queues are closed',
  async ([, large, connections, kept]) => {
    const { key } = await world.company();
    const first = head('GET /api-key HTTP/1.1', 'Host: api', `Authorization: Bearer ${key}`);
    await whileLocked(world, 'LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE', [], (release) =>
      RawSocket.useMany(world.origin, connections, async (sockets) => {
        for (const socket of sockets) socket.write(first + large.repeat(15));
        const cut = () => sockets.filter(({ ending }) => ending !== 'open').length;
        await vi.waitUntil(() => cut() > 0, { timeout: 60_000, interval: 20 });
        // This request comes after the others, so once it is answered they have been read.
        await RawSocket.use(world.origin, async (last) => {
          last.write(head('GET /health/live HTTP/1.1', 'Host: api'));
          expect(await last.answer()).toMatchObject({ status: 200 });
        });
        expect(connections - cut()).toBeGreaterThan(kept);
        await release();
        const open = sockets.filter(({ ending }) => ending === 'open');
        await vi.waitUntil(() => open.every(({ answers }) => answers.length === 16), { timeout: 60_000, interval: 50 });
      }),
    );
  },
);
