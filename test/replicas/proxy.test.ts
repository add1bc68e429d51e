import { afterAll, expect, test, vi } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { startComposition } from '../support/composition.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem, expectProblemShape } from '../support/problem.ts';
import { build } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

build();
const world = await openWorld();
const composition = await startComposition(world, { atEnd: afterAll });

/** What nginx answers to these bytes. */
const answerTo = (bytes: string) =>
  RawSocket.use(composition.origin, async (socket) => {
    socket.write(bytes);
    return socket.answer();
  });

const path = '/agents/5b0f7c0e-0c53-4d0b-9a53-0f8f2c9f7a11';

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
] as const)('what nginx refuses itself has the one error shape: $what', async ({ bytes, ...problem }) => {
  expectProblem(await answerTo(bytes), { ...problem, instance: path });
});

test('the answers of servers pass unchanged, and so does the id of a request', async () => {
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

test.each([
  { method: 'POST', make: async () => ({ ...(await world.company()), path: '/agents', body }) },
  { method: 'PATCH', make: async () => onAgent({ duration: 44 }) },
  { method: 'DELETE', make: async () => onAgent() },
])(
  'a $method that a server does not answer is 503 in the one error shape, and is sent to no other',
  async ({ method, make }) => {
    const { key, path, body: sent } = await make();
    const linesOf = (requestId: string) =>
      composition.program.stdout.match(new RegExp(`^{.*"requestId":"${requestId}".*"msg":"request"}$`, 'gm')) ?? [];
    composition.freeze();
    try {
      const headers = { 'x-request-id': `lost-${method}` };
      const answer = await composition.world.call(key, `${method} ${path}`, { headers, ...(sent && { body: sent }) });
      const detail =
        'No server answered. The change may have been saved: send it again with If-Match or Idempotency-Key.';
      expectProblem(answer, { code: 'DATABASE_UNAVAILABLE', instance: path, detail });
      expect(answer.headers['retry-after']).toBe('1');
    } finally {
      composition.thaw();
    }
    await vi.waitUntil(() => linesOf(`lost-${method}`).length > 0, { timeout: 60_000 });
    // Behind whatever waited there.
    for (const server of composition.servers) {
      const headers = { 'x-request-id': `behind-${method}-${new URL(server).port}` };
      expect(await callsOf(server).call(key, 'POST /agents', { body, headers })).toMatchObject({ status: 201 });
      await vi.waitUntil(() => linesOf(headers['x-request-id']).length === 1, { timeout: 60_000 });
    }
    expect(linesOf(`lost-${method}`)).toHaveLength(1);
  },
);

/** A request for an agent of its own. */
async function onAgent(sent?: object) {
  const { key, id } = await newSubject(world);
  return { key, path: `/agents/${id}`, body: sent };
}

test('a DELETE goes to either server, and its answers pass unchanged', async () => {
  const { key, id } = await newSubject(world);
  const call = () => composition.world.call(key, `DELETE /agents/${id}`, { headers: { 'x-request-id': 'twice' } });
  expect(await call()).toMatchObject({ status: 204, text: '', headers: { 'x-request-id': 'twice' } });
  expectProblem(await call(), { code: 'RESOURCE_NOT_FOUND', instance: `/agents/${id}` });
});
