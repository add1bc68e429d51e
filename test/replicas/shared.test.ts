import { afterAll, expect, test } from 'vitest';
import { adminOf } from '../support/admin.ts';
import { startComposition } from '../support/composition.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { build } from '../support/process.ts';
import { timedOut } from '../support/replicas.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

build();
const world = await openWorld();
const composition = await startComposition(world, { atEnd: afterAll });

/** The number of requests for GET /companies that a server has answered with a status, from its metrics. */
async function answered(metrics: string, status: number): Promise<number> {
  const { text } = await send(metrics, { method: 'GET', path: '/metrics' });
  const line = new RegExp(
    `^interview_agents_request_seconds_count{method="GET",route="/companies",status="${status}",code="\\w+"} (\\d+)$`,
    'm',
  );
  return Number(line.exec(text)?.[1] ?? 0);
}

/** Whether a server counts in Redis, from its metrics. */
async function countsInRedis(metrics: string): Promise<boolean> {
  const { text } = await send(metrics, { method: 'GET', path: '/metrics' });
  return /^interview_agents_rate_limits_shared 1$/m.test(text);
}

test('a key has exactly one limit over both servers, however its requests are distributed', () =>
  unlessTooSlow(async ({ provedBy }) => {
    const lateAnswers = () => composition.program.stdout.split(timedOut).length;
    const before = lateAnswers();
    provedBy(() => lateAnswers() > before);
    await expect.poll(() => Promise.all(composition.metrics.map(countsInRedis))).toEqual([true, true]);
    const sharesBefore = await Promise.all(composition.metrics.map((metrics) => answered(metrics, 200)));
    const { id } = await world.company();
    const key = await world.limitedKey(id, { perMinute: 100 });
    const statuses: number[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      for (let count = 0; count < 25; count += 1) {
        statuses.push((await composition.world.call(key, 'GET /companies')).status);
      }
    });
    await Promise.all(clients);
    const expected = [...Array(100).fill(200), ...Array(100).fill(429)];
    expect(statuses.toSorted(), composition.program.stderr).toEqual(expected);
    const sharesAfter = await Promise.all(composition.metrics.map((metrics) => answered(metrics, 200)));
    const shares = sharesAfter.map((share, at) => share - (sharesBefore[at] ?? 0));
    expect(shares.reduce((sum, share) => sum + share)).toBe(100);
    for (const share of shares) expect(share).toBeGreaterThan(0);
  }));

test('a key that the command line revokes is refused by both servers from the next request on', async () => {
  const { key, keyId } = await world.company();
  const places = [...composition.servers, composition.origin, composition.origin];
  const ask = () =>
    Promise.all(
      places.map((place) =>
        send(place, { method: 'GET', path: '/agents', headers: { authorization: `Bearer ${key}` } }),
      ),
    );
  for (const answer of await ask()) expect(answer.status).toBe(200);
  await adminOf(world)('key', 'revoke', '--key', keyId);
  for (const answer of await ask()) expectProblem(answer, { code: 'INVALID_API_KEY', instance: '/agents' });
});

test('the allow-list of a key is compared with the address that called nginx, and X-Forwarded-For of the client is ignored', async () => {
  const { id } = await world.company();
  const key = await world.keyFrom(id, '127.0.0.2');
  const call = (from: string, forwarded?: string) => {
    const headers = { authorization: `Bearer ${key}`, ...(forwarded && { 'x-forwarded-for': forwarded }) };
    return composition.world.send({ method: 'GET', path: '/agents', headers, from });
  };
  expect((await call('127.0.0.2')).status).toBe(200);
  expect((await call('127.0.0.2', '192.0.2.1')).status).toBe(200);
  // 127.0.0.1 is in TRUST_PROXY, as if nginx had called.
  for (const from of ['127.0.0.3', '127.0.0.1']) {
    for (const forwarded of [undefined, '127.0.0.2', '192.0.2.1, 127.0.0.2']) {
      expectProblem(await call(from, forwarded), { code: 'IP_NOT_ALLOWED', instance: '/agents' });
    }
  }
});

test('the history has the address that called nginx', async () => {
  const { id, key } = await newSubject(world);
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'x-forwarded-for': '192.0.2.1',
  };
  const answer = await composition.world.send({
    ...{ path: `/agents/${id}`, headers, body: '{"duration":45}', from: '127.0.0.2' },
  });
  expect(answer.status).toBe(200);
  const sql = 'SELECT caller_address FROM agent_version WHERE agent_id = $1 AND version = 2';
  expect((await world.sql.query(sql, [id])).rows).toEqual([{ caller_address: '127.0.0.2' }]);
});
