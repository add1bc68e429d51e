import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { chunk, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';
import { usedMemory } from './support/used-memory.ts';

const world = await openWorld({ docs: false });

const connections = 3;

test('a body of 256 KiB of which each byte is a chunk takes less than 2 MB of memory while it arrives', async () => {
  const agent = await newSubject(world);
  const accepted: Socket[] = [];
  world.app.server.on('connection', (socket: Socket) => accepted.push(socket));
  const begin = patchHead(agent, 'Transfer-Encoding: chunked');
  const body = Buffer.from(chunk(' ').repeat(256 * 1024 - 1));
  await RawSocket.useMany(world.origin, connections, async (sockets) => {
    const before = usedMemory();
    for (const socket of sockets) {
      socket.write(begin);
      socket.write(body);
    }
    const isRead = ({ bytesRead }: Socket) => bytesRead === begin.length + body.length;
    await vi.waitUntil(() => accepted.length === connections && accepted.every(isRead), {
      timeout: 60_000,
      interval: 5,
    });
    const each = (usedMemory() - before) / connections / 1024 / 1024;
    console.log(`${each.toFixed(2)} MB each`);
    for (const socket of sockets) {
      socket.write(`${chunk('{}')}`);
      expect(await socket.answer()).toMatchObject({ status: 413 });
    }
    expect(each).toBeLessThan(2);
  });
});
