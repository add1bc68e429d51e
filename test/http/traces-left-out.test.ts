import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { registeredTracing } from '../../src/tracing/spans.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { head, RawSocket } from '../support/raw-socket.ts';
import { clientSpan, loadCollector, openTraced, unset } from '../support/spans.ts';
import { openWorld } from '../support/world.ts';

const tracingOfNone = registeredTracing();
const spans = loadCollector();
const world = await openWorld();
let agent: Subject;

beforeAll(async () => {
  agent = await newSubject(world);
});

/** The finished spans of a trace. */
const finished = (traceId: string) => spans.all().filter((found) => found.spanContext().traceId === traceId);

test('a request with an unsampled traceparent has no span, and no trace in the log', async () => {
  const { patch } = await openTraced(world);
  const unsampled = clientSpan({ isSampled: false });
  const requestId = randomUUID();
  const headers = { ...unsampled.headers, 'x-request-id': requestId };
  expect((await patch(agent.key, agent.id, { duration: 48 }, { headers })).status).toBe(200);
  const line = () => world.logLines.find((text) => text.includes(requestId));
  expect(await vi.waitUntil(line, { timeout: 60_000 })).not.toContain('trace_id');
  expect(finished(unsampled.traceId)).toEqual([]);
});

test('without an OpenTelemetry SDK no spans are made, and a server without tracing never uses the SDK', async () => {
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
  expect(finished(traceId)).toEqual([]);
});

test('health probes have no spans', async () => {
  const { send } = await openTraced(world);
  const { traceId, headers } = clientSpan();
  const after = clientSpan();
  for (const path of ['/health/live', '/health/ready']) await send({ method: 'GET', path, headers });
  await send({ method: 'GET', path: '/problems/overloaded', headers: after.headers });
  await spans.of(after.traceId);
  expect(finished(traceId)).toEqual([]);
});

test('the span of a request whose client disconnects ends without a status', async () => {
  const { origin } = await openTraced(world);
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
      await untilWaiting(world);
    }),
  );
  const own = (await spans.of(traceId))['PATCH /agents/{id}'];
  expect(own).toMatchObject({ attributes: { 'url.path': `/agents/${agent.id}` }, status: unset });
  expect(own?.attributes).not.toHaveProperty(['http.response.status_code']);
});

test('a number in the place of an id is not in a span, and the number of a version is', async () => {
  const { send } = await openTraced(world);
  const authorization = `Bearer ${agent.key}`;
  for (const [path, shown] of [
    ['/agents/19840312', '/agents/{id}'],
    [`/agents/${agent.id}/versions/1`, `/agents/${agent.id}/versions/1`],
  ] as const) {
    const { headers, traceId } = clientSpan();
    await send({ method: 'GET', path, headers: { authorization, ...headers } });
    expect(Object.values(await spans.of(traceId))[1]?.attributes).toMatchObject({ 'url.path': shown });
  }
});

test('spans hold no key, query, body value or text that replaces an id', async () => {
  const { send, patch } = await openTraced(world);
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
