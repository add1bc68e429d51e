import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { callsOf } from '../../support/calls.ts';
import { documented, expectDocumentedHeaders, readDocument } from '../../support/document.ts';
import { explained, explanations, forAnyCompany, forCompany, health, onAgent } from '../../support/endpoints.ts';
import type { Answer, Sent } from '../../support/http.ts';
import { untilNoneWaiting, whileLocked } from '../../support/locks.ts';
import { newSubject, type Subject } from '../../support/patch-agent.ts';
import { ask, RawSocket } from '../../support/raw-socket.ts';
import { insertKeptAnswer } from '../../support/retry.ts';
import { openWorld } from '../../support/world.ts';

const options = { docs: false, quotas: { perMinute: 600, perHour: 20_000 } };
const world = await openWorld(options);
/** Its requests do not wait longer than in production. */
const hurried = await openWorld({ ...options, limits: 'production' });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);

/** A request to a route, with its body and a key. */
interface Case {
  readonly origin: string;
  readonly agent: Subject;
  readonly method: string;
  readonly path: string;
  readonly headers: NonNullable<Sent['headers']>;
  readonly body?: object | undefined;
}

const unknownId = '00000000-0000-4000-8000-00000000dead';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const send = ({ origin, method, path, headers, body }: Case, change: Partial<Sent> = {}) =>
  callsOf(origin).send({ method, path, headers, ...(body && { body: JSON.stringify(body) }), ...change });
const sendAs = (one: Case, key: string) => send(one, { headers: { ...one.headers, ...bearer(key) } });
const sendWith = (one: Case, headers: Sent['headers']) => send(one, { headers: { ...one.headers, ...headers } });

/** Sends a request that is valid except for one fault, which depends on the kind of route. */
function invalid(one: Case): Promise<Answer> {
  if (one.body) return send(one, { body: JSON.stringify({ ...one.body, duration: 181 }) });
  if (one.path.includes(one.agent.id)) return send(one, { path: one.path.replace(one.agent.id, '42') });
  return send(one, { path: `${one.path}?limit=101` });
}

/** A replayed request about an agent that was erased, or a request for an agent that never existed. */
async function notFound(one: Case): Promise<Answer> {
  if (one.path.endsWith(explained)) return send(one, { path: one.path.replace(explained, 'unknown') });
  if (one.path.includes(one.agent.id)) return send(one, { path: one.path.replace(one.agent.id, unknownId) });
  const headers = { 'idempotency-key': 'erased' };
  const { id } = Object((await sendWith(one, headers)).body);
  await world.deleteAgent(id);
  await world.agents.purge(id, 'tester');
  return await sendWith(one, headers);
}

/** For each code, how to make a request fail with it. */
const provoke: Readonly<Record<string, (one: Case) => Promise<Answer>>> = {
  MALFORMED_REQUEST: ({ method, path }) => ask(world.origin, `${method} ${path} HTTP/1.1`),
  HEADERS_TOO_LARGE: ({ method, path }) => ask(world.origin, `${method} ${path} HTTP/1.1`, `X: ${'x'.repeat(17_000)}`),
  MALFORMED_BODY: (one) => send(one, { body: '{' }),
  PAYLOAD_TOO_LARGE: (one) => send(one, { body: ' '.repeat(262_145) }),
  UNSUPPORTED_MEDIA_TYPE: (one) => sendWith(one, { 'content-type': 'text/plain' }),
  VALIDATION_FAILED: invalid,
  COMPANY_ID_REQUIRED: async (one) => sendAs(one, (await world.ats()).key),
  COMPANY_ACCESS_DENIED: async (one) =>
    send(one, {
      path: `${one.path}?companyId=${one.agent.companyId}`,
      headers: { ...one.headers, ...bearer((await world.ats()).key) },
    }),
  INVALID_API_KEY: (one) => sendAs(one, 'nobody'),
  API_KEY_SUSPENDED: async (one) => {
    const { id, key } = await world.newKey(one.agent.companyId);
    await world.keys.suspend(id);
    return await sendAs(one, key);
  },
  IP_NOT_ALLOWED: async (one) => sendAs(one, await world.keyFrom(one.agent.companyId, '192.0.2.1')),
  INSUFFICIENT_PERMISSIONS: async (one) => sendAs(one, await world.keyWith(one.agent.companyId)),
  RESOURCE_ACCESS_DENIED: async (one) => sendAs(one, (await world.company()).key),
  RESOURCE_NOT_FOUND: notFound,
  PRECONDITION_FAILED: (one) => sendWith(one, { 'if-match': '"9"' }),
  IDEMPOTENCY_KEY_REUSED: async (one) => {
    const headers = { 'idempotency-key': 'reused' };
    await world.patch(one.agent.key, one.agent.id, { name: 'Another request' }, { headers });
    return await sendWith(one, headers);
  },
  RATE_LIMITED: async (one) => {
    const key = await world.limitedKey(one.agent.companyId, { perMinute: 1 });
    await world.call(key, 'GET /companies');
    return await sendAs(one, key);
  },
};

/** A request that succeeds. */
function caseOf(agent: Subject, line: string, body?: object, { origin } = world): Case {
  const [method = '', path = ''] = line.replace(':id', agent.id).replace(':code', explained).split(' ');
  const headers = { ...bearer(agent.key), ...(body && { 'content-type': 'application/json' }) };
  return { origin, agent, method, path, headers, body };
}

const endpoints = [
  ...[...onAgent, ...forCompany, ...forAnyCompany],
  ...[...health, ...explanations].map(({ line }) => ({ line, body: undefined })),
];

/** The documented responses of a request, by status. */
function responsesTo(line: string) {
  const [method, path] = documented(line);
  return document.paths[path]?.[method.toLowerCase()]?.responses ?? {};
}

/** The examples of problems in these responses, by code. */
const examplesOf = (line: string): Readonly<Record<string, object>> =>
  Object.fromEntries(
    Object.values(responsesTo(line)).flatMap(({ content }) =>
      Object.entries(content?.['application/problem+json']?.examples ?? {}).map(([code, { value }]) => [code, value]),
    ),
  );

/**
 * The body is the example, except for the request id and path, because routes share examples. The path is empty if the
 * server has not read it. The headers are documented.
 */
function expectExample(line: string, code: string, { agent, path }: Case, answer: Answer): void {
  const { instance, requestId } = Object(answer.body);
  const example = Object(examplesOf(line)[code]);
  expect(answer.body).toEqual({ ...example, instance, requestId });
  expect(requestId).toBe(answer.headers['x-request-id']);
  const ids = [agent.id, unknownId, '42'];
  const sent =
    example.instance === ''
      ? ['']
      : ids.map((id) => path.replace(agent.id, id).replace(explained, instance.replace(/^.*\//, '')));
  expect(sent).toContain(instance);
  expectDocumentedHeaders(responsesTo(line)[answer.status], answer);
}

/** The routes that list a code. */
const listing = (code: string) => endpoints.filter(({ line }) => Object.hasOwn(examplesOf(line), code));

/** A request to each route that lists a code, to the server with short time limits, with an agent and a key of its own. */
const casesOf = (code: string) =>
  pLimit(5).map(listing(code), async ({ line, body }) => ({
    line,
    one: caseOf(await newSubject(hurried), line, body, hurried),
  }));

test.for(endpoints)('$line answers each problem that it lists as in its example', async ({ line, body }) => {
  const one = caseOf(await newSubject(world), line, body);
  for (const code of Object.keys(examplesOf(line))) {
    const answer = await provoke[code]?.(one);
    if (answer) expectExample(line, code, one, answer);
    // OVERLOADED and INTERNAL_ERROR have one text each; 503-overload.test.ts and log.test.ts cause them.
    else expect([...together, 'OVERLOADED', 'INTERNAL_ERROR']).toContain(code);
  }
});

/** Problems that take seconds: caused for all routes at once, below. */
const together = ['REQUEST_TIMEOUT', 'DATABASE_UNAVAILABLE', 'IDEMPOTENCY_KEY_IN_USE'];

/** Sent before the other tests and awaited after them, because each timeout takes ten seconds. */
const halfSent = (await casesOf('REQUEST_TIMEOUT')).map(({ line, one }) => {
  const answers = RawSocket.use(hurried.origin, (socket) => {
    socket.write(`${one.method} ${one.path} HTTP/1.1\r\nHost: api\r\n`);
    return socket.untilClosed();
  });
  return { line, one, answers: answers.catch(() => []) };
});

test('every route that lists REQUEST_TIMEOUT answers it as documented', async () => {
  expect(halfSent).toHaveLength(endpoints.length);
  for (const { line, one, answers } of halfSent) {
    const [answer] = await answers;
    if (!answer) throw new Error(`${line} was not answered`);
    expectExample(line, 'REQUEST_TIMEOUT', one, answer);
  }
});

test('every route that lists DATABASE_UNAVAILABLE answers it as documented', async () => {
  const cases = await casesOf('DATABASE_UNAVAILABLE');
  expect(cases).toHaveLength(endpoints.length - 2);
  await whileLocked(hurried, 'LOCK TABLE api_key, _prisma_migrations IN ACCESS EXCLUSIVE MODE', [], async () => {
    const answers = await Promise.all(cases.map(({ one }) => send(one)));
    for (const [at, { line, one }] of cases.entries()) {
      const answer = answers[at];
      if (answer) expectExample(line, 'DATABASE_UNAVAILABLE', one, answer);
    }
    await untilNoneWaiting(hurried);
  });
});

test('every route that lists IDEMPOTENCY_KEY_IN_USE answers it as documented', async () => {
  const cases = await casesOf('IDEMPOTENCY_KEY_IN_USE');
  expect(cases).toHaveLength(3);
  await Promise.all(
    cases.map(({ line, one }) =>
      whileLocked(hurried, insertKeptAnswer, [one.agent.keyId, 'in-use', one.agent.id], async () => {
        expectExample(line, 'IDEMPOTENCY_KEY_IN_USE', one, await sendWith(one, { 'idempotency-key': 'in-use' }));
      }),
    ),
  );
});
