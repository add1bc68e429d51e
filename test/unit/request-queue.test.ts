import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requestQueue } from '../../src/http/request-queue.ts';
import { CountedRequest } from '../../src/http/unread-body.ts';

const none = () => {};

/** A request that has arrived whole; one of `parameters` takes 81 bytes of memory for each of them, and 2 KB. */
function requestOn(socket: Socket, parameters = 0): ServerResponse {
  const request = new CountedRequest(socket);
  request.complete = true;
  request.url = `/${'&'.repeat(parameters)}`;
  return new ServerResponse(request);
}

test('connections that close while their next request waits for its turn do not delay those of others', async () => {
  const begun: ServerResponse[] = [];
  const queue = requestQueue({ begin: (response) => begun.push(response), end: none, onIdle: none });
  const connections = Array.from({ length: 1_000 }, () => {
    const socket = new Socket();
    queue.add(socket);
    const [first, second] = [requestOn(socket), requestOn(socket)];
    queue.take(first);
    queue.take(second);
    return { socket, first, second };
  });
  const firsts = connections.map(({ first }) => first);
  expect(begun).toHaveLength(firsts.length);

  for (const first of firsts) first.emit('close');
  for (const { socket } of connections.slice(0, -1)) socket.emit('close');
  await setImmediate();
  await setImmediate();
  expect(begun).toHaveLength(1_001);
  expect(begun.at(-1)).toBe(connections.at(-1)?.second);
});

test('for memory, connections with requests behind an answer that they do not read are closed before a larger request', () => {
  const queue = requestQueue({ begin: none, end: none, onIdle: none });
  const larger = new Socket();
  queue.add(larger);
  queue.take(requestOn(larger, 50_000));
  const unread = Array.from({ length: 40 }, () => {
    const socket = new Socket();
    Object.defineProperty(socket, 'writableLength', { value: 1 });
    queue.add(socket);
    const answered = requestOn(socket);
    queue.take(answered);
    answered.writeHead(200);
    queue.take(requestOn(socket, 25_000));
    return socket;
  });
  const isClosed = ({ destroyed }: Socket) => destroyed;
  // 4 MB and 29 times 2 MB are fewer than 64 MiB.
  expect({ larger: isClosed(larger), unread: unread.filter(isClosed).length }).toEqual({ larger: false, unread: 9 });
});
