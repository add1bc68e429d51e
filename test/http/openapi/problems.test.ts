import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { longest } from '../../../src/http/deadline.ts';
import { documented, expectDocumentedHeaders, readDocument } from '../../support/document.ts';
import { explained, explanations, health, withKey } from '../../support/endpoints.ts';
import type { Answer } from '../../support/http.ts';
import { untilNoneWaiting, whileLocked } from '../../support/locks.ts';
import { type Case, problemCases, unknownId } from '../../support/problem-cases.ts';
import { RawSocket } from '../../support/raw-socket.ts';
import { insertKeptAnswer } from '../../support/retry.ts';
import { unlessTooSlow } from '../../support/too-slow.ts';
import { openWorld } from '../../support/world.ts';

const options = { docs: false, quotas: { perMinute: 600, perHour: 20_000 } };
const world = await openWorld(options);
/** Its requests do not wait longer than in production. */
const hurried = await openWorld({ ...options, limits: 'production' });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);

const { caseOf, provoke } = problemCases(world);
const slow = problemCases(hurried);

const endpoints = [...withKey, ...[...health, ...explanations].map(({ line }) => ({ line, body: undefined }))];

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
function expectExample(line: string, code: string, { id, path }: Case, answer: Answer): void {
  const { instance, requestId } = Object(answer.body);
  const example = Object(examplesOf(line)[code]);
  expect(answer.body).toEqual({ ...example, instance, requestId });
  expect(requestId).toBe(answer.headers['x-request-id']);
  const ids = [id, unknownId, '42'];
  const sent =
    example.instance === ''
      ? ['']
      : ids.map((other) => path.replace(id, other).replace(explained, instance.replace(/^.*\//, '')));
  expect(sent).toContain(instance);
  expectDocumentedHeaders(responsesTo(line)[answer.status], answer);
}

test('the path in each example is that of a request to an operation that has the example', () => {
  const { paths, components } = JSON.parse(served.text);
  const namesIn = (part: unknown, kind: string): string[] =>
    [...JSON.stringify(part).matchAll(new RegExp(`"#/components/${kind}/([^"]+)"`, 'g'))].map(([, name = '']) => name);
  const answering = new Map<string, RegExp[]>();
  for (const [path, operations] of Object.entries(paths)) {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/{}:]+')}$`);
    for (const response of namesIn(operations, 'responses')) {
      for (const example of namesIn(components.responses[response], 'examples')) {
        answering.set(example, [...(answering.get(example) ?? []), pattern]);
      }
    }
  }
  expect([...answering.keys()].toSorted()).toEqual(Object.keys(components.examples).toSorted());
  const elsewhere = [...answering].filter(([name, patterns]) => {
    const { instance } = components.examples[name].value;
    return instance !== '' && !patterns.some((pattern) => pattern.test(instance));
  });
  expect(elsewhere.map(([name]) => name)).toEqual([]);
});

/** The routes that list a code. */
const listing = (code: string) => endpoints.filter(({ line }) => Object.hasOwn(examplesOf(line), code));

/** A request to each route that lists a code, to the server with short time limits, with an agent and a key of its own. */
const casesOf = (code: string) =>
  pLimit(5).map(listing(code), async ({ line, body }) => ({
    line,
    one: await slow.caseOf(line, body),
  }));

test.for(endpoints)('$line answers each problem that it lists as in its example', async ({ line, body }) => {
  const one = await caseOf(line, body);
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
    const answers = await Promise.all(cases.map(({ one }) => slow.sendWith(one, {})));
    for (const [at, { line, one }] of cases.entries()) {
      const answer = answers[at];
      if (answer) expectExample(line, 'DATABASE_UNAVAILABLE', one, answer);
    }
    await untilNoneWaiting(hurried);
  });
});

test('every route that lists IDEMPOTENCY_KEY_IN_USE answers it as documented', async () => {
  const cases = await casesOf('IDEMPOTENCY_KEY_IN_USE');
  expect(cases).toHaveLength(8);
  await Promise.all(
    cases.map(({ line, one }) =>
      whileLocked(hurried, insertKeptAnswer, [one.agent.keyId, 'in-use', one.agent.id], () =>
        unlessTooSlow(async ({ timed }) => {
          const answer = await timed(slow.sendWith(one, { 'idempotency-key': 'in-use' }), longest);
          expectExample(line, 'IDEMPOTENCY_KEY_IN_USE', one, answer);
        }),
      ),
    ),
  );
});
