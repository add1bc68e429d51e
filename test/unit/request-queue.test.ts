import { randomUUID } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { exchangeOf } from '../../src/http/exchange.ts';
import { type RequestQueue, requestQueue } from '../../src/http/request-queue.ts';
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

function connectionOf(queue: RequestQueue): Socket {
  const socket = new Socket();
  queue.add(socket);
  return socket;
}

/** A connection whose request is answered, but lacks its end. */
function unended(queue: RequestQueue): Socket {
  const socket = connectionOf(queue);
  const response = requestOn(socket);
  response.req.complete = false;
  queue.take(response);
  response.emit('close');
  return socket;
}

/** A connection whose client does not read an answer, which was given to a key or without one. */
function unread(queue: RequestQueue, parameters: number, keyId: string | null = null): Socket {
  const socket = connectionOf(queue);
  Object.defineProperty(socket, 'writableLength', { value: 1 });
  const response = requestOn(socket, parameters);
  exchangeOf(response.req).keyId = keyId;
  queue.take(response);
  response.writeHead(200);
  return socket;
}

/** The same, to a key, with a request behind it. */
function pipelined(queue: RequestQueue, parameters: number): Socket {
  const socket = unread(queue, 0, randomUUID());
  queue.take(requestOn(socket, parameters));
  return socket;
}

const isClosed = ({ destroyed }: Socket) => destroyed;

test('past 64 MiB requests that are answered but do not end are closed first, then those behind an answer that is not read', () => {
  const queue = requestQueue({ begin: none, end: none, onIdle: none });
  // 222,958 bytes each, together 66.4 million.
  const pipelines = Array.from({ length: 298 }, () => pipelined(queue, 2_700));
  const answered = Array.from({ length: 10 }, () => unended(queue));
  expect([...pipelines, ...answered].filter(isClosed)).toEqual([]);
  const larger = connectionOf(queue);
  queue.take(requestOn(larger, 50_000));
  // 70.5 million bytes are to become 65.8 million, 98 % of the limit.
  const closed = { larger: isClosed(larger), answered: answered.filter(isClosed).length };
  expect({ ...closed, pipelines: pipelines.filter(isClosed).length }).toEqual({
    larger: false,
    answered: 10,
    pipelines: 22,
  });
});

test('past 64 MiB answers without a key that are not read are closed before larger requests, and before an answer to a key', () => {
  const queue = requestQueue({ begin: none, end: none, onIdle: none });
  // 220,829 bytes each, together 66.2 million.
  const strangers = Array.from({ length: 300 }, () => unread(queue, 2_700));
  const reader = unread(queue, 5_000, randomUUID());
  expect([...strangers, reader].filter(isClosed)).toEqual([]);
  const larger = connectionOf(queue);
  queue.take(requestOn(larger, 50_000));
  // 70.7 million bytes are to become 65.8 million.
  const closed = { larger: isClosed(larger), reader: isClosed(reader), strangers: strangers.filter(isClosed).length };
  expect(closed).toEqual({ larger: false, reader: false, strangers: 23 });
});

test('a connection whose answered request has arrived by now is not closed before a larger one', () => {
  const queue = requestQueue({ begin: none, end: none, onIdle: none });
  const larger = connectionOf(queue);
  queue.take(requestOn(larger, 700_000));
  const socket = unended(queue);
  const answered = queue.of(socket)?.last;
  if (answered) answered.req.complete = true;
  queue.take(requestOn(socket, 150_000));
  expect([larger, socket].map(isClosed)).toEqual([true, false]);
});
