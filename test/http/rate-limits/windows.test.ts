import { beforeEach, expect, test } from 'vitest';
import { newSubject, type Subject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { limitsIn, stopClock } from '../../support/rate-limits.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ quotas: { perMinute: 1, perHour: 1 } });

let subject: Subject;

const draft = { integrationId: null, name: null, scopes: ['read:agents'] as const, allowedIps: [], expiresAt: null };

beforeEach(async () => {
  subject = await newSubject(world);
});

/** Calls with a key that has the given limits. */
async function caller(limits: { perMinute: number; perHour: number }) {
  const key = await world.limitedKey(subject.companyId, limits);
  return async () => {
    const answer = await world.call(key, `GET /agents/${subject.id}`);
    if (answer.status === 429) expectProblem(answer, { code: 'RATE_LIMITED', instance: `/agents/${subject.id}` });
    return { status: answer.status, ...limitsIn(answer) };
  };
}

test('beyond the limit of a minute requests are 429 until Retry-After is over, also if they never pause', async () => {
  const clock = stopClock();
  const call = await caller({ perMinute: 3, perHour: 100 });
  const minute = (remaining: number) => ({ limit: 3, remaining, reset: clock.unix(60) });
  const hour = (remaining: number) => ({ limit: 100, remaining, reset: clock.unix(3_600) });
  expect(await call()).toEqual({ status: 200, minute: minute(2), hour: hour(99) });
  clock.at(10);
  expect(await call()).toEqual({ status: 200, minute: minute(1), hour: hour(98) });
  expect(await call()).toEqual({ status: 200, minute: minute(0), hour: hour(97) });
  clock.at(20.5);
  expect(await call()).toEqual({ status: 429, minute: minute(0), hour: hour(97), retryAfter: 40 });
  for (const seconds of [30, 40, 50, 59.999]) {
    clock.at(seconds);
    const retryAfter = Math.ceil(60 - seconds);
    expect(await call()).toEqual({ status: 429, minute: minute(0), hour: hour(97), retryAfter });
  }
  // Retry-After of the first 429 was 40 seconds.
  clock.at(60.5);
  const next = { limit: 3, remaining: 2, reset: clock.unix(120.5) };
  expect(await call()).toEqual({ status: 200, minute: next, hour: hour(96) });
});

test('beyond the limit of an hour requests are 429, and do not count in the minute', async () => {
  const clock = stopClock();
  const call = await caller({ perMinute: 3, perHour: 4 });
  const hour = (remaining: number) => ({ limit: 4, remaining, reset: clock.unix(3_600) });
  for (const remaining of [3, 2, 1]) expect(await call()).toMatchObject({ status: 200, hour: hour(remaining) });
  clock.at(60);
  const minute = { limit: 3, remaining: 2, reset: clock.unix(120) };
  expect(await call()).toEqual({ status: 200, minute, hour: hour(0) });
  for (const _ of Array(10)) {
    expect(await call()).toEqual({ status: 429, minute, hour: hour(0), retryAfter: 3_540 });
  }
  clock.at(3_599);
  const last = { limit: 3, remaining: 3, reset: clock.unix(3_659) };
  for (const _ of Array(10)) expect(await call()).toEqual({ status: 429, minute: last, hour: hour(0), retryAfter: 1 });
  clock.at(3_600);
  const first = { limit: 3, remaining: 2, reset: clock.unix(3_660) };
  expect(await call()).toMatchObject({ status: 200, minute: first, hour: { remaining: 3 } });
});

test('if both windows are used up, Retry-After is the longer wait', async () => {
  const clock = stopClock();
  const ofHour = await caller({ perMinute: 1, perHour: 1 });
  expect(await ofHour()).toMatchObject({ status: 200 });
  expect(await ofHour()).toMatchObject({ status: 429, retryAfter: 3_600 });

  const ofMinute = await caller({ perMinute: 2, perHour: 3 });
  expect(await ofMinute()).toMatchObject({ status: 200 });
  clock.at(3_590);
  expect(await ofMinute()).toMatchObject({ status: 200 });
  expect(await ofMinute()).toMatchObject({ status: 200 });
  expect(await ofMinute()).toMatchObject({
    status: 429,
    minute: { remaining: 0 },
    hour: { remaining: 0 },
    retryAfter: 60,
  });
  clock.at(3_600);
  expect(await ofHour()).toMatchObject({ status: 200 });
  clock.at(3_650);
  expect(await ofMinute()).toMatchObject({ status: 200 });
});

test('a window that is over is reported as unused until the next request begins one', async () => {
  const clock = stopClock();
  const call = await caller({ perMinute: 2, perHour: 100 });
  await call();
  clock.at(3_590);
  for (const remaining of [98, 97]) expect(await call()).toMatchObject({ status: 200, hour: { remaining } });
  clock.at(3_610);
  const hour = { limit: 100, remaining: 100, reset: clock.unix(7_210) };
  expect(await call()).toMatchObject({ status: 429, minute: { remaining: 0 }, hour, retryAfter: 40 });
});

test('a request that the hour refuses is not counted in the minute, even in its last second', async () => {
  const clock = stopClock();
  const call = await caller({ perMinute: 3, perHour: 1 });
  await call();
  clock.at(59.5);
  expect(await call()).toMatchObject({ status: 429, minute: { remaining: 2 }, hour: { remaining: 0 } });
  clock.at(60.5);
  expect(await call()).toMatchObject({ status: 429, minute: { remaining: 3 }, hour: { remaining: 0 } });
});

test('refused requests are not counted: a raised limit admits as many requests as it was raised by, at once', async () => {
  stopClock();
  const { id, key } = await world.keys.create({ ...draft, companyId: subject.companyId });
  const call = async () => {
    const answer = await world.call(key, `GET /agents/${subject.id}`);
    return { status: answer.status, ...limitsIn(answer) };
  };
  const raise = (minute: number, hour: number) =>
    world.sql.query('UPDATE api_key SET per_minute = $2, per_hour = $3 WHERE id = $1', [id, minute, hour]);
  await raise(2, 2);
  for (const status of [200, 200, ...Array(20).fill(429)]) expect(await call()).toMatchObject({ status });
  await raise(5, 4);
  for (const [status, minute, hour] of [
    [200, 2, 1],
    [200, 1, 0],
    [429, 1, 0],
    [429, 1, 0],
  ]) {
    expect(await call()).toMatchObject({ status, minute: { remaining: minute }, hour: { remaining: hour } });
  }
  await raise(5, 100);
  expect(await call()).toMatchObject({ status: 200, minute: { remaining: 0 }, hour: { remaining: 95 } });
});

test.for([86_400, -86_400])(
  'setting the clock of the machine by %d seconds makes no window longer or shorter',
  async (seconds) => {
    const clock = stopClock();
    const call = await caller({ perMinute: 1, perHour: 100 });
    expect(await call()).toMatchObject({ status: 200 });
    clock.at(10);
    clock.set(seconds);
    const minute = { limit: 1, remaining: 0, reset: clock.unix(60 + seconds) };
    expect(await call()).toMatchObject({ status: 429, minute, retryAfter: 50 });
    clock.at(60);
    expect(await call()).toMatchObject({ status: 200, hour: { remaining: 98 } });
  },
);

test.for([
  { what: 'the minute', limits: { perMinute: 10, perHour: 1_000 } },
  { what: 'the hour', limits: { perMinute: 1_000, perHour: 10 } },
  { what: 'both', limits: { perMinute: 10, perHour: 10 } },
])('of 50 concurrent requests exactly the 10 of $what are admitted', async ({ limits }) => {
  const clock = stopClock();
  const call = await caller(limits);
  const answers = await Promise.all(Array.from({ length: 50 }, call));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([...Array(10).fill(200), ...Array(40).fill(429)]);
  const waits = new Set(answers.flatMap(({ retryAfter }) => retryAfter ?? []));
  const wait = Math.max(...waits);
  expect(wait).toBe(limits.perHour === 10 ? 3_600 : 60);
  clock.at(wait);
  expect(await call()).toMatchObject({ status: 200 });
});

test('each key has windows of its own, also within one company', async () => {
  stopClock();
  const calls = await Promise.all([caller({ perMinute: 1, perHour: 0 }), caller({ perMinute: 1, perHour: 0 })]);
  for (const call of calls) expect(await call()).toMatchObject({ status: 200 });
  for (const call of calls) expect(await call()).toMatchObject({ status: 429 });
});
