import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { registeredTracing } from '../../src/tracing/spans.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { inOneBatch, untilSomebodyWaits, whileAgentLocked } from '../support/locks.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { clientSpan, failed, loadCollector, type Shown, unset } from '../support/spans.ts';
import { openWorld, type World } from '../support/world.ts';

const tracingOfNone = registeredTracing();
const spans = loadCollector();
const world = await openWorld();
let agent: Subject;

beforeAll(async () => {
  agent = await newSubject(world);
});

/** The world with calls to a server that makes spans. */
async function traced(databaseUrl = world.databaseUrl): Promise<World> {
  const tracing = registeredTracing();
  if (!tracing) throw new Error('no SDK is loaded');
  const { origin } = await openAnotherServer(world, { tracing, databaseUrl });
  return { ...world, origin, ...callsOf(origin) };
}

/** A span, whole. */
const span = (name: string, members: Partial<Shown>): Shown => ({
  name,
  kind: 'INTERNAL',
  id: expect.any(String),
  parent: undefined,
  attributes: {},
  status: unset,
  links: [],
  ...members,
});

const request = (attributes: Shown['attributes']) => ({ 'url.scheme': 'http', ...attributes });

const patchOf = (id: string, status: number) =>
  request({
    'http.request.method': 'PATCH',
    'http.route': '/agents/{id}',
    'url.path': `/agents/${id}`,
    'http.response.status_code': status,
  });

const batchOf = (size: number) => ({ 'interview_agents.batch.size': size });

/** The line of the log that names a trace. */
async function lineOf(traceId: string): Promise<Record<string, unknown>> {
  const found = () => world.logLines.find((line) => line.includes(traceId));
  return JSON.parse(await vi.waitUntil(found, { timeout: 60_000 }));
}

test('a PATCH is a child of its traceparent, its batches are children of it and linked, and its log line names the trace', async () => {
  const { patch } = await traced();
  const { traceId, id, headers } = clientSpan();
  expect((await patch(agent.key, agent.id, { duration: 45 }, { headers })).status).toBe(200);
  const found = await spans.of(traceId);
  const [own = '', lookup = '', write = ''] = ['PATCH /agents/{id}', 'lookup batch', 'write batch'].map(
    (name) => found[name]?.id ?? '',
  );
  expect(found).toEqual({
    'PATCH /agents/{id}': span('PATCH /agents/{id}', {
      kind: 'SERVER',
      parent: id,
      attributes: patchOf(agent.id, 200),
      links: [lookup, write],
    }),
    'lookup batch': span('lookup batch', { parent: own, attributes: batchOf(1) }),
    'write batch': span('write batch', { parent: own, attributes: batchOf(1) }),
  });
  expect(await lineOf(traceId)).toMatchObject({ msg: 'request', status: 200, trace_id: traceId, span_id: own });
});

test('requests of one batch have links to the same span, which is in the trace of the first', async () => {
  const server = await traced();
  const [held, ...others] = await Promise.all([1, 2, 3].map(() => newSubject(world)));
  if (!held) throw new Error('no agent');
  const parents = others.map(() => clientSpan());
  const answers = await inOneBatch(server, held, () =>
    Promise.all(
      others.map(({ key, id }, at) => server.patch(key, id, { duration: 46 }, { headers: parents[at]?.headers })),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const traces = await Promise.all(parents.map(({ traceId }) => spans.of(traceId)));
  const batches = traces.flatMap((found) => found['write batch'] ?? []);
  const requests = traces.flatMap((found) => found['PATCH /agents/{id}'] ?? []);
  expect(requests).toHaveLength(2);
  expect(batches).toEqual([
    span('write batch', { parent: expect.toBeOneOf(requests.map(({ id }) => id)), attributes: batchOf(2) }),
  ]);
  for (const { links } of requests) expect(links.at(-1)).toBe(batches[0]?.id);
});

test('a change that is written alone, behind a lock, has a span for that, with a link from its request', async () => {
  const { patch } = await traced();
  const { traceId, headers } = clientSpan();
  const sent = await whileAgentLocked(world, agent.id, async (release) => {
    const answer = patch(agent.key, agent.id, { duration: 47 }, { headers });
    await untilSomebodyWaits(world);
    await release();
    return answer;
  });
  expect(sent.status).toBe(200);
  const found = await spans.of(traceId);
  const own = found['PATCH /agents/{id}'];
  expect(found['write alone']).toEqual(span('write alone', { parent: own?.id, attributes: batchOf(1) }));
  expect(own?.links.at(-1)).toBe(found['write alone']?.id);
});

test('a problem is recorded by its code; a status of error is for 5xx alone', async () => {
  const { patch, send } = await traced();
  const cases = [
    { bearer: 'wrong', body: {}, status: 401, code: 'INVALID_API_KEY' },
    { bearer: agent.key, body: { duration: 500 }, status: 400, code: 'VALIDATION_FAILED' },
  ];
  for (const { bearer, body, status, code } of cases) {
    const { traceId, id, headers } = clientSpan();
    expect((await patch(bearer, agent.id, body, { headers })).status).toBe(status);
    const attributes = { ...patchOf(agent.id, status), 'interview_agents.problem.code': code };
    expect((await spans.of(traceId))['PATCH /agents/{id}']).toMatchObject({ parent: id, attributes, status: unset });
  }
  const { traceId, headers } = clientSpan();
  await send({ method: 'PROPFIND', path: `/nowhere/${agent.key}`, headers });
  const attributes = request({
    'http.request.method': '_OTHER',
    'http.response.status_code': 404,
    'interview_agents.problem.code': 'ROUTE_NOT_FOUND',
  });
  expect(Object.values(await spans.of(traceId))).toEqual([
    span('HTTP', { kind: 'SERVER', parent: expect.any(String), attributes }),
  ]);
});

test('while the database cannot be reached, request and batch have a status of error and the code', async () => {
  const { patch } = await traced('postgresql://nobody@127.0.0.1:1/nowhere');
  const { traceId, headers } = clientSpan();
  expect((await patch(agent.key, agent.id, {}, { headers })).status).toBe(503);
  const found = await spans.of(traceId);
  const error = { 'error.type': 'DATABASE_UNAVAILABLE' };
  const own = found['PATCH /agents/{id}'];
  expect(own).toMatchObject({
    attributes: { ...patchOf(agent.id, 503), 'interview_agents.problem.code': 'DATABASE_UNAVAILABLE', ...error },
    status: failed,
  });
  expect(found['lookup batch']).toEqual(
    span('lookup batch', { parent: own?.id, attributes: { ...batchOf(1), ...error }, status: failed }),
  );
});

test('an unsampled traceparent leaves no span, and no trace in the log', async () => {
  const { patch } = await traced();
  const unsampled = clientSpan({ isSampled: false });
  const requestId = randomUUID();
  const headers = { ...unsampled.headers, 'x-request-id': requestId };
  expect((await patch(agent.key, agent.id, { duration: 48 }, { headers })).status).toBe(200);
  const line = () => world.logLines.find((text) => text.includes(requestId));
  expect(await vi.waitUntil(line, { timeout: 60_000 })).not.toContain('trace_id');
  expect(spans.all().filter((found) => found.spanContext().traceId === unsampled.traceId)).toEqual([]);
});

test('without an SDK nothing makes spans, and a server that was made without them asks no SDK', async () => {
  expect(tracingOfNone).toBeUndefined();
  const { traceId, headers } = clientSpan();
  const { origin } = await openAnotherServer(world);
  const requestId = randomUUID();
  const answer = await callsOf(origin).patch(
    agent.key,
    agent.id,
    {},
    { headers: { ...headers, 'x-request-id': requestId } },
  );
  expect(answer.status).toBe(200);
  const line = () => world.logLines.find((text) => text.includes(requestId));
  expect(await vi.waitUntil(line, { timeout: 60_000 })).not.toContain('trace_id');
  expect(spans.all().filter((found) => found.spanContext().traceId === traceId)).toEqual([]);
});

test('health probes have no spans', async () => {
  const { send } = await traced();
  const { traceId, headers } = clientSpan();
  const after = clientSpan();
  for (const path of ['/health/live', '/health/ready']) await send({ method: 'GET', path, headers });
  await send({ method: 'GET', path: '/problems/overloaded', headers: after.headers });
  await spans.of(after.traceId);
  expect(spans.all().filter((found) => found.spanContext().traceId === traceId)).toEqual([]);
});

test('the span of a request whose client goes away ends, without a status', async () => {
  const { origin } = await traced();
  const { traceId, headers } = clientSpan();
  await whileAgentLocked(world, agent.id, () =>
    RawSocket.use(origin, async (socket) => {
      const body = '{"duration":49}';
      socket.write(
        head(
          `PATCH /agents/${agent.id} HTTP/1.1`,
          'Host: api',
          `Authorization: Bearer ${agent.key}`,
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
          `traceparent: ${headers.traceparent}`,
        ) + body,
      );
      await untilSomebodyWaits(world);
    }),
  );
  const own = (await spans.of(traceId))['PATCH /agents/{id}'];
  expect(own).toMatchObject({ attributes: { 'url.path': `/agents/${agent.id}` }, status: unset });
  expect(own?.attributes).not.toHaveProperty(['http.response.status_code']);
});

test('no span holds a key, a query, a value of a body, or what is in the place of an id', async () => {
  const { send, patch } = await traced();
  const secret = `private ${randomUUID()}`;
  const query = `?name=${encodeURIComponent(secret)}`;
  const misplaced = clientSpan();
  const headers = { authorization: `Bearer ${agent.key}` };
  await patch(agent.key, agent.id, { name: secret });
  await send({ method: 'GET', path: `/agents${query}`, headers });
  await send({ method: 'GET', path: `/agents/${agent.key}`, headers: { ...headers, ...misplaced.headers } });
  expect(Object.values(await spans.of(misplaced.traceId))[1]?.attributes).toMatchObject({ 'url.path': '/agents/{id}' });
  const everything = JSON.stringify(
    spans.all().map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links })),
  );
  expect(everything).toContain('GET /agents');
  expect(everything).not.toMatch(/sk_|private|Bearer|\?/);
});
