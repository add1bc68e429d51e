import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';
import { usedMemory } from './support/used-memory.ts';

const world = await openWorld({ docs: false });

const connections = 400;

/** A head that never ends, with as many lines and bytes as a request may have. Node keeps their texts until it is complete. */
const headOf = (at: number) =>
  `GET / HTTP/1.1\r\n${Array.from({ length: 198 }, (_, line) => lineOf(at, line)).join('')}`;
const lineOf = (at: number, line: number) =>
  `${`N${at}-${line}`.padEnd(38, 'N')}: ${`v${at}-${line}`.padEnd(38, 'v')}\r\n`;

test('a stranger’s head of 16 KB that never ends takes less than 50 KB of memory with its connection, and others are served', async () => {
  const agent = await newSubject(world);
  expect(await world.patch(agent.key, agent.id, { duration: 45 })).toMatchObject({ status: 200 });
  const accepted: Socket[] = [];
  world.app.server.on('connection', (socket: Socket) => accepted.push(socket));
  const before = usedMemory();
  await RawSocket.useMany(world.origin, connections, async (sockets) => {
    for (const [at, socket] of sockets.entries()) socket.write(headOf(at));
    const areRead = () => accepted.every(({ bytesRead }) => bytesRead === headOf(0).length);
    await vi.waitUntil(() => accepted.length === connections && areRead(), { timeout: 60_000, interval: 5 });
    const each = (usedMemory() - before) / connections / 1024;
    console.log(`${each.toFixed(0)} KB each`);
    expect(sockets.map(({ ending }) => ending)).toEqual(Array(connections).fill('open'));
    expect(each).toBeLessThan(50);
    expect(await world.patch(agent.key, agent.id, { duration: 30 })).toMatchObject({ status: 200 });
  });
});
