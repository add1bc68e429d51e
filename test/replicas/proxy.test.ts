import { afterAll, beforeAll, expect, test } from 'vitest';
import { startComposition } from '../support/composition.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem, expectProblemShape } from '../support/problem.ts';
import { build } from '../support/process.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
let composition: Awaited<ReturnType<typeof startComposition>>;

beforeAll(async () => {
  build();
  composition = await startComposition(world, { atEnd: afterAll });
});

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
