import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test, vi } from 'vitest';
import { begun } from '../../src/http/bounded-server.ts';
import { exchangeOf } from '../../src/http/exchange.ts';
import { isRecord } from '../../src/http/json.ts';
import { maxBodyBytes } from '../../src/http/size-limits.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { whileAgentLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { chunk, patchHead, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ docs: false });

/** A server, the messages of the requests that it serves, and what each request holds when its answer begins to be sent. */
async function observed() {
  const { app, origin } = await openAnotherServer(world);
  const messages: IncomingMessage[] = [];
  const heldByAnswers: unknown[] = [];
  app.server.on(begun, (message: IncomingMessage, response: ServerResponse) => {
    messages.push(message);
    const writeHead = response.writeHead.bind(response);
    vi.spyOn(response, 'writeHead').mockImplementation((...sent: Parameters<typeof writeHead>) => {
      const { body, bodyBytes, readAhead } = requestOf(message);
      heldByAnswers.push({ body, bodyBytes, agent: readAhead?.agent });
      return writeHead(...sent);
    });
  });
  return { origin, ...callsOf(origin), messages, heldByAnswers };
}

function requestOf(message: IncomingMessage) {
  const { request } = exchangeOf(message);
  if (!request) throw new Error('the request has not reached Fastify');
  return request;
}

const bodyOf = (message: IncomingMessage): unknown => exchangeOf(message).request?.body;

test.for<[what: string, request: string, options: object, status: number]>([
  ['a change', 'PATCH', { body: { duration: 60 } }, 200],
  ['a refused change', 'PATCH', { body: { duration: 60, other: 1 } }, 400],
  ['a body of another media type', 'PATCH', { body: '{}', headers: { 'content-type': 'text/plain' } }, 415],
  ['a read', 'GET', {}, 200],
])('while the answer to %s is sent, neither the body nor the agent that was read is kept', async (scene) => {
  const [, method, options, status] = scene;
  const { key, id } = await newSubject(world);
  const server = await observed();
  expect(await server.call(key, `${method} /agents/${id}`, options)).toMatchObject({ status });
  expect(server.heldByAnswers).toEqual([{ body: undefined, bodyBytes: undefined, agent: undefined }]);
});

test('of 74 bodies of one company that arrive together 64 are parsed, the others in their turns; one too long waits for none', async () => {
  const [{ key, id }, other] = [await newSubject(world), await newSubject(world)];
  const server = await observed();
  // After its first answer a key counts towards its company.
  expect(await server.call(key, `GET /agents/${id}`)).toMatchObject({ status: 200 });
  server.messages.length = 0;
  await RawSocket.useMany(server.origin, 75, async ([tooLong, ...sockets]) => {
    tooLong?.write(patchHead({ key, id }, 'Transfer-Encoding: chunked', 'Expect: 100-continue'));
    await tooLong?.answer();
    for (const socket of sockets) socket.write(patchHead({ key, id }, 'Content-Length: 15', 'Expect: 100-continue'));
    for (const socket of sockets) await socket.answer();
    await whileAgentLocked(world, id, async (release) => {
      for (const socket of sockets) socket.write('{"duration":61}');
      const isParsed = (body: unknown) => isRecord(body) && 'duration' in body;
      const parsed = () => server.messages.filter((message) => isParsed(bodyOf(message))).length;
      const haveArrived = () => server.messages.filter((message) => bodyOf(message)).length === 74;
      await vi.waitUntil(() => parsed() === 64 && haveArrived(), {
        timeout: 60_000,
      });
      // Once this is answered, what could be parsed without a turn would be.
      expect(await server.call(other.key, `GET /agents/${other.id}`)).toMatchObject({ status: 200 });
      expect(parsed()).toBe(64);
      tooLong?.write(chunk('x'.repeat(maxBodyBytes + 1)));
      expect(await tooLong?.answer(1)).toMatchObject({ status: 413 });
      await release();
      for (const socket of sockets) expect(await socket.answer(1)).toMatchObject({ status: 200 });
    });
  });
  const { rows } = await world.sql.query('SELECT version, duration FROM agent WHERE id = $1', [id]);
  expect(rows).toEqual([{ version: 2, duration: 61 }]);
});

test.for([
  ['large', 'not ', 5_000],
  ['small', '', 1_000],
] as const)(
  'a %s agent that was read with the key is %skept while a body arrives, and no change is lost',
  async (scene) => {
    const [, not, length] = scene;
    const text = 'x'.repeat(length);
    const { key, id } = await newSubject(world, { metadata: { text } });
    const server = await observed();
    await RawSocket.use(server.origin, async (socket) => {
      const body = '{"metadata":{"second":2}}';
      socket.write(patchHead({ key, id }, `Content-Length: ${body.length}`, 'Expect: 100-continue'));
      await socket.answer();
      const kept = server.messages.map((message) => requestOf(message).readAhead?.agent?.id);
      expect(kept).toEqual([not ? undefined : id]);
      const meanwhile = { body: { metadata: { first: 1 } } };
      expect(await world.call(key, `PATCH /agents/${id}`, meanwhile)).toMatchObject({ status: 200 });
      socket.write(body);
      expect(await socket.answer(1)).toMatchObject({ status: 200, headers: { etag: '"3"' } });
    });
    const { rows } = await world.sql.query('SELECT version, metadata FROM agent WHERE id = $1', [id]);
    expect(rows).toEqual([{ version: 3, metadata: { text, first: 1, second: 2 } }]);
  },
);
