import { describe, expect, test } from 'vitest';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { chunk, head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { key, id: agentId } = await newSubject(world);

const headOf = (authorization: string, ...more: string[]) =>
  head(
    `PATCH /agents/${agentId} HTTP/1.1`,
    'Host: api',
    `Authorization: Bearer ${authorization}`,
    'Content-Type: application/json',
    ...more,
  );

/** A complete PATCH request. */
const patch = (body: object) => {
  const text = JSON.stringify(body);
  return `${headOf(key, `Content-Length: ${text.length}`)}${text}`;
};

const use = <Result>(task: (socket: RawSocket) => Promise<Result>) => RawSocket.use(world.origin, task);

async function expectService(): Promise<void> {
  expect((await world.patch(key, agentId, {})).status).toBe(200);
}

describe('several requests on one connection', () => {
  test('sent one after the other are all served, and the connection stays open', () =>
    use(async (socket) => {
      for (const [position, name] of ['First', 'Second', 'Third'].entries()) {
        socket.write(patch({ name }));
        expect(await socket.answer(position)).toMatchObject({ status: 200, body: { name } });
      }
      expect(socket.ending).toBe('open');
    }));

  test('sent at once are answered in the order in which they were sent', () =>
    use(async (socket) => {
      socket.write([patch({ name: 'One' }), head('GET /no HTTP/1.1', 'Host: api'), patch({ name: 'Two' })].join(''));
      await socket.answer(2);
      expect(socket.answers).toMatchObject([
        { status: 200, body: { name: 'One' } },
        { status: 404, body: { code: 'ROUTE_NOT_FOUND' } },
        { status: 200, body: { name: 'Two' } },
      ]);
    }));

  test('are served after a refused one, whose body is skipped', () =>
    use(async (socket) => {
      socket.write(`${headOf('wrong', 'Content-Length: 24')}GET / HTTP/1.1\r\nHost: ab`);
      expect(await socket.answer()).toMatchObject({ status: 401 });
      socket.write(patch({ name: 'Behind' }));
      expect(await socket.answer(1)).toMatchObject({ status: 200, body: { name: 'Behind' } });
    }));

  test.each([
    ['garbage', () => '\0\0\0\0\r\n\r\n'],
    ['CONNECT', () => head('CONNECT api:443 HTTP/1.1', 'Host: api')],
    ['a request with a broken body', () => `${headOf(key, 'Transfer-Encoding: chunked')}zz\r\n`],
    ['half a request and the end of the stream', () => 'PATCH /agents'],
  ])('%s behind a running request is refused, after the answer to the running request', (what, bytes) =>
    whileAgentLocked(world, agentId, (release) =>
      use(async (socket) => {
        socket.write(patch({ name: `Before ${what}` }));
        await untilWaiting(world);
        socket.write(bytes());
        if (what.startsWith('half')) socket.end();
        // Once the server has answered a later connection, it has read these bytes too.
        await world.send({ method: 'GET', path: '/health/live' });
        await release();
        const [own, refusal, ...more] = await socket.untilClosed();
        expect(own).toMatchObject({ status: 200, body: { name: `Before ${what}` } });
        expect(refusal).toMatchObject({ status: 400, body: { code: 'MALFORMED_REQUEST' } });
        expect(more).toEqual([]);
      }),
    ),
  );

  test('after a refusal, a malformed body of the same request gets no second answer', () =>
    use(async (socket) => {
      socket.write(headOf('wrong', 'Transfer-Encoding: chunked'));
      expect(await socket.answer()).toMatchObject({ status: 401 });
      socket.write('zz\r\n');
      expect(await socket.untilClosed()).toHaveLength(1);
    }));
});

describe('clients that disconnect', () => {
  test.each([
    ['headers', () => `PATCH /agents/${agentId} HTTP/1.1\r\nHost: a`],
    ['body', () => `${headOf(key, 'Content-Length: 20')}{"name":`],
    ['chunks', () => `${headOf(key, 'Transfer-Encoding: chunked')}${chunk('{"name":')}`],
  ])('after half of the %s get 400 if they still read, and nothing is changed', async (_, bytes) => {
    const before = await world.row(agentId);
    await use(async (socket) => {
      socket.write(bytes());
      socket.end();
      const answers = await socket.untilClosed();
      expect(answers).toMatchObject([{ status: 400, body: { code: 'MALFORMED_REQUEST' } }]);
    });
    expect(await world.row(agentId)).toBe(before);
  });

  test('with a reset, at any point of a request, do not affect later requests', async () => {
    const messages = [
      '',
      'PATCH /agents',
      headOf(key, 'Content-Length: 2'),
      `${headOf(key, 'Content-Length: 20')}{"name":`,
      patch({}),
      '\0\0\r\n\r\n',
      head('CONNECT api:443 HTTP/1.1', 'Host: api'),
    ];
    for (const bytes of messages) {
      for (let time = 0; time < 10; time += 1) {
        await use(async (socket) => {
          socket.write(bytes);
          if (time % 2 === 0) await world.send({ method: 'GET', path: '/health/live' });
          socket.reset();
        });
      }
    }
    await expectService();
  });
});

describe('Expect: 100-continue', () => {
  test('is answered with 100 once the request is admitted', () =>
    use(async (socket) => {
      socket.write(headOf(key, 'Content-Length: 20', 'Expect: 100-continue'));
      expect(await socket.answer()).toMatchObject({ status: 100 });
      socket.write('{"name":"Continued"}');
      expect(await socket.answer(1)).toMatchObject({ status: 200, body: { name: 'Continued' } });
    }));

  test.each([
    ['an invalid key', () => headOf('sk_wrong', 'Content-Length: 2', 'Expect: 100-continue'), 'INVALID_API_KEY'],
    [
      'a body over the limit',
      () => headOf(key, 'Content-Length: 2000000', 'Expect: 100-continue'),
      'PAYLOAD_TOO_LARGE',
    ],
  ] as const)('%s is refused without a 100 Continue', (_, bytes, code) =>
    use(async (socket) => {
      socket.write(bytes());
      expectProblem(await socket.answer(), { code, instance: `/agents/${agentId}` });
    }),
  );
});

describe('a body of 2 MB', () => {
  const size = 2_000_000;
  const name = 'x'.repeat(size);
  test.each([
    ['announced', () => `${headOf(key, `Content-Length: ${size}`)}${name}`],
    ['in chunks', () => `${headOf(key, 'Transfer-Encoding: chunked')}${chunk(name)}${chunk('')}`],
    [
      'in many chunks',
      () => `${headOf(key, 'Transfer-Encoding: chunked')}${chunk('x'.repeat(1000)).repeat(2000)}${chunk('')}`,
    ],
  ])(
    '%s: a client that sends all of it before it reads gets its 413, and other requests are served',
    async (_, bytes) => {
      await use(async (socket) => {
        socket.write(bytes());
        expectProblem(await socket.answer(), { code: 'PAYLOAD_TOO_LARGE', instance: `/agents/${agentId}` });
        expect(socket.ending).not.toBe('reset');
      });
      await expectService();
    },
  );
});
