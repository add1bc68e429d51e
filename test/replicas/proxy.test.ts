import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { startComposition } from '../support/composition.ts';
import { longestAnswer } from '../support/longest-answer.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem, expectProblemShape } from '../support/problem.ts';
import { build } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

build();
const world = await openWorld();
const composition = await startComposition(world, { atEnd: afterAll });

/** The answer of nginx to raw bytes. */
const answerTo = (bytes: string) =>
  RawSocket.use(composition.origin, async (socket) => {
    socket.write(bytes);
    return socket.answer();
  });

const path = '/agents/5b0f7c0e-0c53-4d0b-9a53-0f8f2c9f7a11';

test('each server waits at SIGTERM for as long as an answer may be read', async () => {
  const graces = composition.ids.map(async (id) => {
    const variables = await readFile(`/proc/${id}/environ`, 'utf8');
    return Number(/(?:^|\0)SHUTDOWN_GRACE_SECONDS=(\d+)/.exec(variables)?.[1]);
  });
  expect(await Promise.all(graces)).toEqual([longestAnswer, longestAnswer]);
});

test.each([
  { what: 'no Host', bytes: head(`GET ${path} HTTP/1.1`), code: 'MALFORMED_REQUEST' },
  { what: 'two Hosts', bytes: head(`GET ${path} HTTP/1.1`, 'Host: a', 'Host: b'), code: 'MALFORMED_REQUEST' },
  {
    what: 'a body over 1 MiB',
    bytes: head(`PATCH ${path} HTTP/1.1`, 'Host: a', 'Content-Length: 1048577'),
    code: 'PAYLOAD_TOO_LARGE',
  },
  {
    what: 'a header over 16 KiB',
    bytes: head(`GET ${path} HTTP/1.1`, 'Host: a', `X: ${'x'.repeat(17_000)}`),
    code: 'HEADERS_TOO_LARGE',
  },
  {
    what: 'TRACE',
    bytes: head(`TRACE ${path} HTTP/1.1`, 'Host: a'),
    code: 'METHOD_NOT_ALLOWED',
    detail: 'This path has other methods.',
  },
  // Of these, but for the coding, nginx knows no path when it answers.
  {
    what: 'a path out of the root',
    bytes: head('GET /../x HTTP/1.1', 'Host: a'),
    code: 'MALFORMED_REQUEST',
    instance: '',
  },
  {
    what: 'a zero byte in the path',
    bytes: head('GET /%00 HTTP/1.1', 'Host: a'),
    code: 'MALFORMED_REQUEST',
    instance: '',
  },
  {
    what: 'an unknown transfer coding',
    bytes: head(`PATCH ${path} HTTP/1.1`, 'Host: a', 'Transfer-Encoding: x'),
    code: 'MALFORMED_REQUEST',
  },
  {
    what: 'an unknown version of HTTP',
    bytes: head(`GET ${path} HTTP/3.0`, 'Host: a'),
    code: 'MALFORMED_REQUEST',
    instance: '',
  },
] as const)('refusals of nginx itself are problems of the documented form: $what', async ({ bytes, ...problem }) => {
  expectProblem(await answerTo(bytes), { instance: path, ...problem });
});

test('the path that nginx uses for these is a server’s to answer', async () => {
  const answer = await answerTo(head('GET /unreadable HTTP/1.1', 'Host: a'));
  expectProblem(answer, { code: 'ROUTE_NOT_FOUND', instance: '/unreadable' });
});

test('answers of servers and the ids of requests pass nginx unchanged', async () => {
  const { key, id } = await newSubject(world);
  const headers = { 'x-request-id': 'from-the-client' };
  const answer = await composition.world.call(key, `PATCH /agents/${id}?dryRun=maybe`, {
    headers,
    body: { duration: -1 },
  });
  expectProblemShape(answer, `/agents/${id}`);
  expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED', requestId: 'from-the-client' } });
  const own = await composition.world.call(key, `PATCH /agents/${id}`, { headers, body: 'x'.repeat(300_000) });
  expectProblem(own, { code: 'PAYLOAD_TOO_LARGE', instance: `/agents/${id}` });
});

const body = { name: 'New', type: 'ONLINE', focus: 'SCREENING', language: 'FI', duration: 20 };

// A separate set of servers, because nginx stops using a server for 10 s after a missing answer.
test.each([
  { method: 'POST', make: async () => ({ ...(await world.company()), path: '/agents', sent: { body } }), good: 201 },
  { method: 'PATCH', make: async () => ({ ...(await onAgent()), sent: { body: { duration: 44 } } }), good: 200 },
  { method: 'DELETE', make: async () => ({ ...(await onAgent()), sent: {} }), good: 204 },
])(
  'a $method that a server does not answer gets a 503 of the documented form, and is not sent to another server',
  async ({ method, make, good }) => {
    const half = await startComposition(world);
    half.freeze('server-1');
    // Each nginx process, one for each core, begins with server-1 and alternates between the servers; one gets two requests.
    const sent = await Promise.all(
      [...cpus(), undefined].map(async () => {
        const { key, path, sent } = await make();
        return { path, answer: await half.world.call(key, `${method} ${path}`, sent) };
      }),
    );
    half.thaw('server-1');
    const lost = sent.filter(({ answer }) => answer.status !== good);
    expect(lost).not.toEqual([]);
    expect(lost.length).toBeLessThan(sent.length);
    const detail =
      'No server answered. The change may have been saved: send it again with the same Idempotency-Key, or, if it changes an agent, with If-Match.';
    for (const { path, answer } of lost) {
      expectProblem(answer, { code: 'DATABASE_UNAVAILABLE', instance: path, detail });
      expect(answer.headers['retry-after']).toBe('1');
    }
  },
);

/** The path of a new agent, and a key for it. */
async function onAgent() {
  const { key, id } = await newSubject(world);
  return { key, path: `/agents/${id}` };
}

test('a DELETE is sent to either server, and its answers pass unchanged', async () => {
  const { key, id } = await newSubject(world);
  const call = () => composition.world.call(key, `DELETE /agents/${id}`, { headers: { 'x-request-id': 'twice' } });
  expect(await call()).toMatchObject({ status: 204, text: '', headers: { 'x-request-id': 'twice' } });
  expectProblem(await call(), { code: 'RESOURCE_NOT_FOUND', instance: `/agents/${id}` });
});
