import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requestQueue } from '../../src/http/request-queue.ts';
import { CountedRequest } from '../../src/http/unread-body.ts';

test('connections that close while their next request waits for its turn do not delay those of others', async () => {
  const begun: ServerResponse[] = [];
  const none = () => {};
  const queue = requestQueue({ begin: (response) => begun.push(response), end: none, onIdle: none });
  const connections = Array.from({ length: 1_000 }, () => {
    const socket = new Socket();
    queue.add(socket);
    const [first, second] = [1, 2].map(() => {
      const request = new CountedRequest(socket);
      request.complete = true;
      const response = new ServerResponse(request);
      queue.take(response);
      return response;
    });
    return { socket, first, second };
  });
  const firsts = connections.map(({ first }) => first);
  expect(begun).toHaveLength(firsts.length);

  for (const first of firsts) first?.emit('close');
  for (const { socket } of connections.slice(0, -1)) socket.emit('close');
  await setImmediate();
  await setImmediate();
  expect(begun).toHaveLength(1_001);
  expect(begun.at(-1)).toBe(connections.at(-1)?.second);
});
