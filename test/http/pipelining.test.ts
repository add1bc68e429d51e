import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { openAnotherServer } from '../support/another-server.ts';
import { openFlood, shortGet } from '../support/flood.ts';
import { send } from '../support/http.ts';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { pipelined } from '../support/pipelined.ts';
import { chunk, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { patch, patchHead, linesOf, untilWritten } = pipelined(world);
let key: string;
let companyId: string;

beforeAll(async () => {
  ({ key, id: companyId } = await world.company());
  // Creates its agents before a test takes a lock.
  await untilWritten();
});

const makeAgents = (count: number) => Promise.all(Array.from({ length: count }, () => world.agent(companyId)));

test('17 pipelined PATCHes run one after the other and are answered in their order', async () => {
  const [first, ...others] = (await makeAgents(17)).map(({ id }) => id);
  if (first === undefined) throw new Error('no agent');
  const before = await Promise.all(others.map((id) => world.row(id)));
  await whileAgentLocked(world, first, (release) =>
    RawSocket.use(world.origin, async (socket) => {
      socket.write([first, ...others].map((id, at) => patch(key, id, { duration: 100 + at })).join(''));
      await untilWaiting(world);
      // If the others had been started with the first, their changes would be written by now.
      await untilWritten();
      expect(await Promise.all(others.map((other) => world.row(other)))).toEqual(before);
      await release();
      await socket.answer(16);
      expect(socket.answers).toMatchObject(
        [first, ...others].map((own, at) => ({ status: 200, body: { id: own, duration: 100 + at } })),
      );
    }),
  );
});

test('50 pipelined PATCHes of one agent with bodies of 20 KB are all answered in their order', async () => {
  const { id } = await world.agent(companyId);
  const questions = Array.from({ length: 10 }, () => 'x'.repeat(2_000));
  await RawSocket.use(world.origin, async (socket) => {
    socket.write(Array.from({ length: 50 }, (_, at) => patch(key, id, { questions, metadata: { at } })).join(''));
    await socket.answer(49);
    expect(socket.answers.map(({ headers }) => headers['etag'])).toEqual(
      Array.from({ length: 50 }, (_, at) => `"${at + 2}"`),
    );
  });
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 51, metadata: { at: 49 } });
});

test('a connection with 16 unanswered requests is not read further until one is answered; other connections are served meanwhile', async () => {
  const { app, origin } = await openAnotherServer(world);
  let arrived = 0;
  app.server.on('request', () => {
    arrived += 1;
  });
  const { id } = await world.agent(companyId);
  const count = 6_000;
  await whileAgentLocked(world, id, async (release) => {
    const flood = await openFlood(origin);
    flood.socket.write(patch(key, id, { duration: 99 }) + shortGet('/health/live').repeat(count));
    await untilWaiting(world);
    for (let time = 0; time < 20; time += 1) {
      expect((await send(origin, { method: 'GET', path: '/health/live' })).status).toBe(200);
    }
    // One read of the socket returns up to 64 KB.
    expect(arrived).toBeLessThan(20 + 16 + 65_536 / shortGet('/health/live').length);
    await release();
    await flood.until(count + 1);
    expect(flood.answers).toBe(count + 1);
    flood.socket.destroy();
  });
});

test('at a shutdown pipelined requests behind a running one are served, and the last answer closes the connection', async () => {
  const { app, origin } = await openAnotherServer(world);
  const ids = (await makeAgents(20)).map(({ id }) => id);
  const [first = ''] = ids;
  await whileAgentLocked(world, first, (release) =>
    RawSocket.use(origin, async (socket) => {
      socket.write(ids.map((id) => patch(key, id, { duration: 45 })).join(''));
      await untilWaiting(world);
      const closed = app.close();
      await release();
      const answers = await socket.untilClosed();
      await closed;
      expect(answers).toMatchObject(ids.map((id) => ({ status: 200, body: { id, duration: 45 } })));
      const closing = answers.map(({ headers }) => headers['connection'] === 'close');
      expect(closing).toEqual(ids.map((_, at) => at === ids.length - 1));
      expect(socket.ending).toBe('closed');
    }),
  );
});

test.each([
  ['garbage', () => '\0\0\0\0\r\n\r\n'],
  [
    'a request with a broken body',
    (id: string, requestId: string) =>
      `${patchHead(key, id, requestId, 'Transfer-Encoding: chunked')}${chunk('{"duration":')}zz\r\n`,
  ],
])(
  '%s behind 20 pipelined requests is refused after their answers, and its request never starts',
  async (what, bytes) => {
    const ids = (await makeAgents(20)).map(({ id }) => id);
    const [first = ''] = ids;
    const requestId = randomUUID();
    await whileAgentLocked(world, first, (release) =>
      RawSocket.use(world.origin, async (socket) => {
        socket.write(ids.map((id) => patch(key, id, { duration: 46 })).join('') + bytes(first, requestId));
        await untilWaiting(world);
        await release();
        const answers = await socket.untilClosed();
        expect(answers.slice(0, 20)).toMatchObject(ids.map((id) => ({ status: 200, body: { id } })));
        const hasBrokenBody = what !== 'garbage';
        const instance = hasBrokenBody ? `/agents/${first}` : '';
        const id = hasBrokenBody ? requestId : expect.any(String);
        expect(answers.slice(20)).toMatchObject([
          {
            status: 400,
            body: { code: 'MALFORMED_REQUEST', instance, requestId: id },
            headers: { connection: 'close' },
          },
        ]);
        expect(linesOf([String(answers.at(-1)?.headers['x-request-id'])])).toEqual([
          { requestId: id, msg: 'malformed', status: 400 },
        ]);
      }),
    );
  },
);
