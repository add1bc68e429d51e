import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { slowReaders } from '../../src/http/slow-readers.ts';

/** A connection on which an answer is sent to a client that reads nothing. */
async function openSending() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connect({ host: '127.0.0.1', port });
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [{ socket }, response]: [{ socket: typeof client }, ServerResponse] = Object(await once(server, 'request'));
  return { response, connection: { socket, last: response, isRunning: true, held: [], heldBytes: 0 } };
}

/** More than the buffers of the system hold. */
const large = Buffer.alloc(64 * 1_024 * 1_024);

test('a reader is slow once it has taken nothing of its answer for 10 s', async () => {
  const { response, connection } = await openSending();
  const find = slowReaders();
  expect(find([connection], 0).length).toBe(0);
  response.write(large);
  // Node writes it in the next turn of the event loop.
  await setImmediate();
  for (const now of [20_000, 25_000, 30_000]) expect(find([connection], now).length).toBe(0);
  expect(find([connection], 30_001).length).toBe(1);
  expect(find([{ ...connection, isRunning: false }], 50_000).length).toBe(0);
});

test('a reader is slow once it has not taken all of its answer 60 s after the first byte, however often it takes some', async () => {
  const { response, connection } = await openSending();
  const find = slowReaders();
  response.write(large);
  for (let now = 0; now <= 60_000; now += 5_000) {
    expect(find([connection], now).length).toBe(0);
    response.write('some');
  }
  expect(find([connection], 60_001).length).toBe(1);
});

test('a client is not slow while the server has nothing to send, for 60 s', async () => {
  const { response, connection } = await openSending();
  const find = slowReaders();
  response.flushHeaders();
  for (let now = 0; now <= 60_000; now += 15_000) expect(find([connection], now).length).toBe(0);
});
