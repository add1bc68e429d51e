import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { attemptLimits } from '../../src/webhooks/attempt.ts';
import { failure, openDeliverer, openFullReceiver, openSocketServer, untilConnecting } from '../support/attempts.ts';
import { openReceiver } from '../support/receiver.ts';
import { patience } from '../support/time-limits.ts';

/** Of a name. */
const notPublic = 'the name has no address, or one that is not public';

test('no connection is made to an address that is not public, whether it is in the URL or in DNS', async () => {
  const connections = vi.fn((socket: Socket) => socket.destroy());
  const { port } = await openSocketServer(connections);
  const { deliver } = openDeliverer(undefined, { allowHttp: true, allowNetworks: [] });
  const urls = [`http://127.0.0.1:${port}/`, `http://2130706433:${port}/`];
  for (const url of urls) expect(await deliver(url)).toEqual(failure('the address is not public'));
  expect(await deliver(`http://inside.example:${port}/`)).toEqual(failure(notPublic));
  expect(connections).not.toHaveBeenCalled();
});

test('a name is resolved once for each attempt, and the addresses that were checked are the ones connected to', async () => {
  const receiver = await openReceiver();
  const answers = ['127.0.0.1', '10.0.0.1', '127.0.0.1'];
  const resolve = vi.fn(async () => [answers[resolve.mock.calls.length - 1] ?? '169.254.169.254']);
  const { deliver } = openDeliverer(resolve);
  const url = `http://changing.example:${receiver.port}/`;
  const outcomes = [await deliver(url), await deliver(url), await deliver(url), await deliver(url)];
  expect(outcomes.map((outcome) => outcome?.error)).toEqual([...[null, notPublic, null, notPublic]]);
  expect(receiver.received.map(({ headers }) => headers.host)).toEqual(
    Array(2).fill(`changing.example:${receiver.port}`),
  );
  expect(resolve).toHaveBeenCalledTimes(4);
});

test('a connection is reused for the next attempt, unless the name has another address by then', async () => {
  const receiver = await openReceiver();
  let connections = 0;
  receiver.server.on('connection', () => {
    connections += 1;
  });
  let address = '127.0.0.1';
  const { deliver } = openDeliverer(async () => [address]);
  const url = `http://moving.example:${receiver.port}/`;
  for (let count = 0; count < 20; count += 1) await deliver(url);
  // The first connection is not idle yet at the moment of its answer.
  expect(connections).toBeLessThan(4);
  address = '127.0.0.2';
  // No server listens there.
  expect(await deliver(url)).toEqual(failure('no answer: ECONNREFUSED'));
});

test('an idle connection is closed after some seconds, also if the receiver asks for ten minutes', async () => {
  const receiver = await openReceiver((_, response) =>
    response.writeHead(204, { connection: 'keep-alive', 'keep-alive': 'timeout=600' }).end(),
  );
  // Otherwise the receiver closes it after 5 s.
  receiver.server.keepAliveTimeout = 0;
  const closed = vi.fn();
  receiver.server.on('connection', (socket) => socket.once('close', closed));
  const { deliver } = openDeliverer();
  expect(await deliver(receiver.url)).toMatchObject({ isDelivered: true, status: 204 });
  await vi.waitUntil(() => closed.mock.calls.length > 0, { timeout: 60_000, interval: 10 });
  expect(receiver.received).toHaveLength(1);
});

test('an address that takes a second to connect is reached, whichever of the addresses it is', async () => {
  // No server listens at the other address.
  const orders = [
    ['127.0.0.1', '127.0.0.2'],
    ['127.0.0.2', '127.0.0.1'],
  ];
  // A second, and one more for the network.
  expect(attemptLimits.longestConnect).toBeGreaterThan(2_000);
  const limits = { longestConnect: patience, allConnects: 2 * patience, longestAttempt: patience };
  const outcomes = orders.map(async (addresses) => {
    const { port, accept } = await openFullReceiver(['127.0.0.1']);
    const { deliver } = openDeliverer(async () => addresses, undefined, limits);
    const delivering = deliver(`http://far.example:${port}/`);
    await untilConnecting(port);
    accept();
    return await delivering;
  });
  const delivered = { isDelivered: true, status: 204, error: null, answer: '' };
  expect(await Promise.all(outcomes)).toEqual([delivered, delivered]);
});

test('the last of eight addresses is reached, although no other one answers', async () => {
  const full = Array.from({ length: 7 }, (_, place) => `127.0.0.${place + 10}`);
  const { port } = await openFullReceiver(full);
  const good = createServer((_, response) => response.writeHead(204).end()).listen(port, '127.0.0.2');
  onTestFinished(() => void good.close());
  // In production two seconds are left for the last one.
  expect(attemptLimits.longestAttempt - attemptLimits.allConnects).toBeGreaterThanOrEqual(2_000);
  const limits = { longestConnect: patience, allConnects: 800, longestAttempt: patience };
  const { deliver } = openDeliverer(async () => [...full, '127.0.0.2'], undefined, limits);
  const delivered = { isDelivered: true, status: 204, error: null, answer: '' };
  expect(await deliver(`http://many.example:${port}/`)).toEqual(delivered);
});
