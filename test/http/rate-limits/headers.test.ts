import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import type { Answer, Sent } from '../../support/http.ts';
import { whileAgentLocked } from '../../support/locks.ts';
import { newSubject, type Subject, sendText } from '../../support/patch-agent.ts';
import { limitsIn } from '../../support/rate-limits.ts';
import { chunk, head, RawSocket } from '../../support/raw-socket.ts';
import { openWorld } from '../../support/world.ts';

const quotas = { perMinute: 7, perHour: 9, refusedPerMinute: 0 };
const world = await openWorld({ quotas });
const unlimited = await openWorld();

/** The headers for the server's limits after one request. */
const usual = {
  minute: { limit: 7, remaining: 6, reset: expect.any(Number) },
  hour: { limit: 9, remaining: 8, reset: expect.any(Number) },
};

const patch = (subject: Subject, body: string, headers?: Sent['headers']) => sendText(world, subject, body, headers);

/** One answer of each kind that a key within its limits can get. */
const answers: Readonly<Record<string, (subject: Subject) => Promise<Answer>>> = {
  '200': (subject) => patch(subject, '{"duration":31}'),
  '204': ({ key, id }) => world.client(key).remove(id),
  '304': ({ key, id }) => world.client(key).read(id, { header: { 'If-None-Match': '"1"' } }),
  '400 MALFORMED_BODY': (subject) => patch(subject, '{'),
  '400 VALIDATION_FAILED': (subject) => patch(subject, '{"duration":0}'),
  '403 RESOURCE_ACCESS_DENIED': async (subject) => patch({ ...(await newSubject(world)), key: subject.key }, '{}'),
  '403 INSUFFICIENT_PERMISSIONS': async ({ companyId, id }) =>
    world.client(await world.keyWith(companyId, 'read:agents')).patch(id, {}),
  '404 RESOURCE_NOT_FOUND': (subject) => patch({ ...subject, id: subject.companyId }, '{}'),
  '412 PRECONDITION_FAILED': (subject) => patch(subject, '{}', { 'if-match': '"9"' }),
  '413 PAYLOAD_TOO_LARGE': (subject) => patch(subject, ' '.repeat(300_000)),
  '415 UNSUPPORTED_MEDIA_TYPE': (subject) => patch(subject, '{}', { 'content-type': 'text/plain' }),
  '503 DATABASE_UNAVAILABLE': async ({ key, id }) => {
    const { origin } = await openAnotherServer(world, { limits: 'production', quotas });
    return await whileAgentLocked(world, id, () => callsOf(origin).patch(key, id, { duration: 31 }));
  },
  '400 MALFORMED_REQUEST': ({ key, id }) =>
    RawSocket.use(world.origin, async (socket) => {
      const type = 'Content-Type: application/json';
      const lines = ['Host: api', `Authorization: Bearer ${key}`, type, 'Transfer-Encoding: chunked'];
      socket.write(head(`PATCH /agents/${id} HTTP/1.1`, ...lines, 'Expect: 100-continue'));
      // The server asks for the body after it has counted the request.
      await socket.answer();
      socket.write(`${chunk('{')}not a length\r\n`);
      return await socket.answer(1);
    }),
};

test.for(Object.entries(answers))(
  '%s has the remaining requests of the minute and of the hour',
  async ([expected, ask]) => {
    const answer = await ask(await newSubject(world));
    const code = answer.status >= 400 ? ` ${JSON.parse(answer.text).code}` : '';
    const { retryAfter, ...reported } = limitsIn(answer);
    expect(`${answer.status}${code}`).toBe(expected);
    expect(reported).toEqual(usual);
    expect(retryAfter).toBe(answer.status === 503 ? 1 : undefined);
  },
);

test('answers from before the rate limit check have no rate limit headers', async () => {
  const { id, key, keyId } = await newSubject(world);
  await world.keys.suspend(keyId);
  for (const line of [`GET /agents/${id}`, `PUT /agents/${id}`, 'GET /nowhere', 'GET /health/live']) {
    for (const bearer of [key, 'nobody']) expect(limitsIn(await world.call(bearer, line))).toEqual({});
  }
});

const limit = (of: number) => ({ limit: of, remaining: of - 1, reset: expect.any(Number) });

test.for([
  [
    { perMinute: 2, perHour: 3 },
    { minute: limit(2), hour: limit(3) },
  ],
  [{ perMinute: 2 }, { minute: limit(2), hour: limit(9) }],
  [{ perHour: 3 }, { minute: limit(7), hour: limit(3) }],
  [{ perMinute: 0 }, { hour: limit(9) }],
  [{ perHour: 0 }, { minute: limit(7) }],
  [{ perMinute: 0, perHour: 0 }, {}],
] as const)('the limits of a key, %o, replace the server’s, and 0 means no limit', async ([limits, reported]) => {
  const { companyId, id } = await newSubject(world);
  const key = await world.limitedKey(companyId, limits);
  expect(limitsIn(await world.client(key).read(id))).toEqual(reported);
});

test('on a server without limits the limits of a key hold', async () => {
  const { companyId, id, key } = await newSubject(unlimited);
  const answer = await unlimited.client(key).read(id);
  expect({ status: answer.status, reported: limitsIn(answer) }).toEqual({ status: 200, reported: {} });
  const limited = await unlimited.limitedKey(companyId, { perHour: 1 });
  expect(limitsIn(await unlimited.client(limited).read(id))).toEqual({ hour: limit(1) });
  expect(await unlimited.client(limited).read(id)).toMatchObject({ status: 429 });
});

test('a key without limits is never answered 429', async () => {
  const { companyId, id } = await newSubject(world);
  const key = await world.limitedKey(companyId, { perMinute: 0, perHour: 0 });
  const all = await Promise.all(Array.from({ length: 30 }, () => world.client(key).read(id)));
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
});
