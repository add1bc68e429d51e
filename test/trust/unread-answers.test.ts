import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { over } from '../../src/http/bounded-server.ts';
import { exchangeOf } from '../../src/http/exchange.ts';
import { unsentBytes } from '../../src/http/unsent-bytes.ts';
import { newSubject } from '../support/patch-agent.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: true });

/** A query of empty parameters, each of which takes 81 bytes of memory. */
const parameters = (count: number) => '&'.repeat(count);

test('strangers’ answers that are not read, to requests of 64 MB of memory, close no larger request of somebody else', async () => {
  const agent = await newSubject(world);
  const { server } = world.app;
  const accepted: Socket[] = [];
  const accept = (socket: Socket) => void accepted.push(socket);
  server.on('connection', accept);
  onTestFinished(() => void server.off('connection', accept));
  await RawSocket.useMany(world.origin, 56, async (sockets) => {
    const strangers = accepted.slice(-sockets.length);
    // 1.19 MB of memory each.
    const target = `/docs/static/swagger-ui-bundle.js?${parameters(14_700)}`;
    const ask = (at: number) => sockets[at]?.write(head(`GET ${target} HTTP/1.1`, 'Host: api', `X-Request-Id: ${at}`));
    let answers = 0;
    // The buffers on the way take whole answers, until they are full. No request waits behind an answer.
    const askAgain = (message: IncomingMessage) => {
      answers += 1;
      ask(Number(exchangeOf(message).requestId));
    };
    server.on(over, askAgain);
    onTestFinished(() => void server.off(over, askAgain));
    for (const [at, socket] of sockets.entries()) {
      socket.stopReading();
      ask(at);
    }
    let before = -1;
    const areStuck = () => {
      const isQuiet = answers === before;
      before = answers;
      return isQuiet && strangers.every((socket) => unsentBytes(socket) > 0);
    };
    await vi.waitUntil(areStuck, { timeout: 60_000, interval: 50 });
    server.off(over, askAgain);
    expect(strangers.filter(({ destroyed }) => destroyed)).toEqual([]);

    const body = '{"duration":77}';
    await RawSocket.use(world.origin, async (socket) => {
      const lines = ['Host: api', `Authorization: Bearer ${agent.key}`, 'Content-Type: application/json'];
      const line = `PATCH /agents/${agent.id}?${parameters(15_800)} HTTP/1.1`;
      socket.write(`${head(line, ...lines, `Content-Length: ${body.length}`)}${body}`);
      await vi.waitUntil(() => socket.ending !== 'open' || socket.answers.length > 0, { timeout: 60_000, interval: 5 });
      expect(socket.answers).toMatchObject([{ status: 200, body: { id: agent.id, duration: 77 } }]);
    });
    expect(strangers.filter(({ destroyed }) => destroyed)).toHaveLength(2);
  });
  expect(JSON.parse(await world.row(agent.id))).toMatchObject({ version: 2, duration: 77 });
});
