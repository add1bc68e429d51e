import { expect, test } from 'vitest';
import { openAnotherServer } from '../../support/another-server.ts';
import { type Sent, send } from '../../support/http.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { limitsIn, stopClock } from '../../support/rate-limits.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();
const unknownKey = `sk_${'0'.repeat(43)}`;

/** A server that accepts three refused keys a minute from an address. */
async function openServer(onStatement?: (sql: string) => void) {
  const quotas = { perMinute: 0, perHour: 0, refusedPerMinute: 3 };
  const { origin } = await openAnotherServer(world, { quotas, ...(onStatement && { onStatement }) });
  return (authorization: string | undefined, further: Partial<Sent> = {}) =>
    send(origin, {
      method: 'GET',
      path: '/companies',
      headers: { ...(authorization !== undefined && { authorization }) },
      ...further,
    });
}

const refused = { code: 'INVALID_API_KEY', instance: '/companies' } as const;
const limited = { code: 'RATE_LIMITED', instance: '/companies' } as const;

test('an address with too many refused keys gets 429 for further ones until Retry-After is over; other addresses and valid keys are served', async () => {
  const clock = stopClock();
  const { key } = await newSubject(world);
  const call = await openServer();
  for (const _ of Array(3)) {
    const answer = await call(`Bearer ${unknownKey}`);
    expectProblem(answer, refused);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(limitsIn(answer)).toEqual({});
  }
  clock.at(20.5);
  for (const _ of Array(5)) {
    const answer = await call(`Bearer ${unknownKey}`);
    expectProblem(answer, limited);
    expect(limitsIn(answer)).toEqual({ retryAfter: 40 });
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect(await call(`Bearer ${key}`)).toMatchObject({ status: 200 });
  }
  expectProblem(await call(`Bearer ${unknownKey}`, { from: '127.0.0.2' }), refused);
  clock.at(59.999);
  expectProblem(await call(`Bearer ${unknownKey}`), limited);
  clock.at(60.5);
  expectProblem(await call(`Bearer ${unknownKey}`), refused);
});

test('every kind of refused key counts, on every route, except a suspended one', async () => {
  const [ended, suspended] = await Promise.all([newSubject(world), newSubject(world)]);
  await Promise.all([world.keys.revoke(ended.keyId), world.keys.suspend(suspended.keyId)]);
  for (const authorization of [undefined, 'Bearer nonsense', `Bearer ${unknownKey}`, `Bearer ${ended.key}`]) {
    const call = await openServer();
    for (const _ of Array(4)) {
      expect(await call(`Bearer ${suspended.key}`)).toMatchObject({ body: { code: 'API_KEY_SUSPENDED' } });
    }
    const path = `/agents/${ended.id}`;
    for (const _ of Array(3)) expectProblem(await call(authorization, { path }), { ...refused, instance: path });
    expectProblem(await call(authorization), limited);
  }
});

test.for([
  ['a suspended key', 'suspended_at', '2026-01-01', null, 'API_KEY_SUSPENDED'],
  ['a key from a wrong address', 'allowed_ips', '{192.0.2.1}', '{}', 'IP_NOT_ALLOWED'],
])('%s counts neither for its address nor for the key', async ([, column, refusing, accepting, code]) => {
  const { id } = await world.company();
  const { id: keyId, key } = await world.newKey(id);
  const update = (value: string | null | undefined) =>
    world.sql.query(`UPDATE api_key SET ${column} = $2, per_minute = 1 WHERE id = $1`, [keyId, value]);
  const call = await openServer();
  await update(refusing);
  for (const _ of Array(4)) expect(await call(`Bearer ${key}`)).toMatchObject({ body: { code } });
  await update(accepting);
  expect(await call(`Bearer ${key}`)).toMatchObject({ status: 200 });
  expect(await call(`Bearer ${key}`)).toMatchObject({ status: 429 });
  expectProblem(await call(`Bearer ${unknownKey}`), refused);
});

test('of 50 concurrent refused keys exactly three get 401, the others 429', async () => {
  const call = await openServer();
  const statuses = (await Promise.all(Array.from({ length: 50 }, () => call('Bearer nonsense')))).map(
    ({ status }) => status,
  );
  expect(statuses.toSorted()).toEqual([...Array(3).fill(401), ...Array(47).fill(429)]);
});

test('a malformed key makes no query, and a well-formed one makes one', async () => {
  const { key } = await newSubject(world);
  const statements: string[] = [];
  const call = await openServer((sql) => statements.push(sql));
  const malformed = [
    undefined,
    'Bearer',
    'Bearer sk_',
    key,
    `Basic ${key}`,
    `Bearer ${key}x`,
    `Bearer ${key.slice(1)}`,
  ];
  for (const authorization of malformed) expect([401, 429]).toContain((await call(authorization)).status);
  expect(statements).toEqual([]);
  expectProblem(await call(`Bearer ${unknownKey}`), limited);
  expect(statements).toEqual([expect.stringContaining('api_key')]);
});

test('a server without this limit answers 401 to every refused key', async () => {
  const statuses = await Promise.all(
    Array.from({ length: 100 }, async () => (await world.call('nonsense', 'GET /companies')).status),
  );
  expect(new Set(statuses)).toEqual(new Set([401]));
});
