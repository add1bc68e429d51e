import { beforeAll, expect, test, vi } from 'vitest';
import { inOneBatch, untilWaiting, whileAgentLocked } from '../support/locks.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { clientSpan, failed, loadCollector, openTraced, type Shown, unset } from '../support/spans.ts';
import { openWorld } from '../support/world.ts';

const spans = loadCollector();
const world = await openWorld();
let agent: Subject;

beforeAll(async () => {
  agent = await newSubject(world);
});

/** A complete span. */
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

/** The log line of a trace. */
async function lineOf(traceId: string): Promise<Record<string, unknown>> {
  const found = () => world.logLines.find((line) => line.includes(traceId));
  return JSON.parse(await vi.waitUntil(found, { timeout: 60_000 }));
}

test('a PATCH is a child of its traceparent, its batches are children of it and linked, and its log line has the trace id', async () => {
  const { patch } = await openTraced(world);
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

test('requests of one batch link to the same span, which is in the trace of the first request', async () => {
  const server = await openTraced(world);
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

test('a change that is written alone after a lock wait has a span of its own, linked from its request', async () => {
  const { patch } = await openTraced(world);
  const { traceId, headers } = clientSpan();
  const sent = await whileAgentLocked(world, agent.id, async (release) => {
    const answer = patch(agent.key, agent.id, { duration: 47 }, { headers });
    await untilWaiting(world);
    await release();
    return answer;
  });
  expect(sent.status).toBe(200);
  const found = await spans.of(traceId);
  const own = found['PATCH /agents/{id}'];
  expect(found['write alone']).toEqual(span('write alone', { parent: own?.id, attributes: batchOf(1) }));
  expect(own?.links.at(-1)).toBe(found['write alone']?.id);
});

test('the span of a problem has its code, and the status error only for a 5xx', async () => {
  const { patch, send } = await openTraced(world);
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

test('without a database, the spans of request and batch have the status error and the code', async () => {
  const { patch } = await openTraced(world, 'postgresql://nobody@127.0.0.1:1/nowhere');
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
