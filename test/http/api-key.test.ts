import { expect, test, vi } from 'vitest';
import { scopes } from '../../src/auth/api-key.ts';
import type { Answer } from '../support/http.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld({ quotas: { perMinute: 5, perHour: 9 } });

const ask = (key: string, query = '') => world.call(key, `GET /api-key${query}`);

/** The stored columns of a key that may be shown, as JSON. */
async function stored(id: string) {
  const { rows } = await world.sql.query(
    `SELECT id, name, start, scopes, company_id AS "companyId", integration_id AS "integrationId",
            created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt" FROM api_key WHERE id = $1`,
    [id],
  );
  return JSON.parse(JSON.stringify(rows[0]));
}

const isUsed = (id: string) => vi.waitUntil(async () => (await stored(id)).lastUsedAt !== null, { timeout: 60_000 });

/** A rate limit window as the headers of an answer describe it. */
const windowIn = ({ headers }: Answer, name: string) => ({
  limit: Number(headers[`x-ratelimit-limit-${name}`]),
  remaining: Number(headers[`x-ratelimit-remaining-${name}`]),
  resetsAt: new Date(Number(headers[`x-ratelimit-reset-${name}`]) * 1_000).toISOString(),
});

test('GET /api-key answers a company key and an ATS key with their own stored values, without a companyId', async () => {
  const company = await world.company();
  const ats = await world.ats(company.id);
  const named = await world.keys.create({
    ...{ companyId: company.id, integrationId: null, name: 'Nightly sync', allowedIps: ['127.0.0.1'] },
    ...{ scopes: ['read:agents'], expiresAt: '2999-01-01T00:00:00Z' },
  });
  for (const { key, id } of [{ ...company, id: company.keyId }, { ...ats, id: ats.keyId }, named]) {
    const first = await ask(key);
    expect(first).toMatchObject({ status: 200, body: { id, start: key.slice(0, 8) } });
    await isUsed(id);
    const answer = await ask(key);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...(await stored(id)),
      rateLimits: { minute: windowIn(answer, 'minute'), hour: windowIn(answer, 'hour') },
    });
    expect(answer.text).not.toContain(key.slice(8));
  }
});

test('the first request of a key shows lastUsedAt as null or as the time of this request', async () => {
  const { key, keyId } = await world.company();
  const { lastUsedAt } = Object((await ask(key)).body);
  await isUsed(keyId);
  expect([null, (await stored(keyId)).lastUsedAt]).toContain(lastUsedAt);
});

test.for([[], ['delete:agents'], scopes] as const)(
  'GET /api-key is allowed to a key with the scopes %j',
  async (some) => {
    const { id } = await world.company();
    const answer = await ask(await world.keyWith(id, ...some));
    expect(answer).toMatchObject({ status: 200, body: { scopes: some } });
  },
);

test('GET /api-key counts against the rate limits, and shows the limits that the key itself has', async () => {
  const { id, key } = await world.company();
  const left = async (one: string) => Object((await ask(one)).body).rateLimits;
  expect(await left(key)).toMatchObject({ minute: { limit: 5, remaining: 4 }, hour: { limit: 9, remaining: 8 } });
  await world.call(key, 'GET /agents');
  expect(await left(key)).toMatchObject({ minute: { remaining: 2 }, hour: { remaining: 6 } });
  for (const _ of [1, 2]) await ask(key);
  expectProblem(await ask(key), { code: 'RATE_LIMITED', instance: '/api-key' });
  const own = await world.limitedKey(id, { perMinute: 0, perHour: 3 });
  expect(await left(own)).toEqual({
    minute: null,
    hour: { limit: 3, remaining: 2, resetsAt: expect.stringMatching(/^\d{4}-.*Z$/) },
  });
});

test('GET /api-key ignores companyId and refuses any other parameter', async () => {
  const { key } = await world.company();
  expect((await ask(key, '?companyId=x&companyId=')).status).toBe(200);
  const detail = 'is not known; what can be set is companyId';
  const errors = [{ in: 'query', parameter: 'id', code: 'unknown_member', detail }] as const;
  expectProblem(await ask(key, '?id=1'), { code: 'VALIDATION_FAILED', instance: '/api-key', errors });
});
