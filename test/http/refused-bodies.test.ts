import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { chunk, patchHead } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Sends a whole request before it reads anything, as simple clients do, and then reads up to the end of the connection. */
async function sendThenRead(bytes: string): Promise<string> {
  const { hostname, port } = new URL(world.origin);
  const socket = connect({ host: hostname, port: Number(port) });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.write(bytes, 'latin1', (error) => (error ? reject(error) : resolve()));
    });
    return await text(socket);
  } finally {
    socket.destroy();
  }
}

describe('a client that sends a body of 20 MB whole before it reads gets the 413 that closes its connection', () => {
  // More than the buffers of the operating system hold.
  const size = 20_000_000;
  const body = 'x'.repeat(size);
  const length = `Content-Length: ${size}`;
  test.each([
    ['with Connection: close', ['Connection: close', length], body],
    ['in chunks', ['Connection: close', 'Transfer-Encoding: chunked'], chunk(body) + chunk('')],
    ['with an Expect for which it does not wait', ['Expect: 100-continue', length], body],
    ['by HTTP/1.0', [length], body],
  ])('%s', async (what, headers, rest) => {
    const agent = await newSubject(world);
    const begin = patchHead(agent, ...headers).replace('HTTP/1.1', what === 'by HTTP/1.0' ? 'HTTP/1.0' : 'HTTP/1.1');
    const received = await sendThenRead(begin + rest);
    expect(received).toMatch(/^HTTP\/1\.1 413 /);
    expect(received).toMatch(/^connection: close\r$/im);
    expect(received).toContain('"code":"PAYLOAD_TOO_LARGE"');
  });
});
