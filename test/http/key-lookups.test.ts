import { expect, test } from 'vitest';
import { lookupSql, singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { newAtsSubject } from '../support/ended-keys.ts';
import { draft } from '../support/endpoints.ts';
import { newSubject } from '../support/patch-agent.ts';
import { sendSlowly } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** A server whose lookups of keys are counted. */
async function openCounting(connections: number) {
  let lookups = 0;
  const onStatement = (sql: string) => {
    if (sql === lookupSql || sql === singleLookupSql) lookups += 1;
  };
  const { origin } = await openAnotherServer(world, { connections, onStatement });
  return { origin, ...callsOf(origin), lookups: () => lookups };
}

test('a request that writes within a second looks up its key once', async () => {
  const server = await openCounting(10);
  const { id, key, query } = await newAtsSubject(world);
  const lines = [
    { line: `PATCH /agents/${id}`, body: { name: 'Quick' } },
    { line: 'POST /agents', body: draft },
    { line: `POST /agents/${id}/versions/1/restore` },
    { line: `DELETE /agents/${id}` },
  ];
  for (const { line, body } of lines) {
    const [before, since] = [server.lookups(), performance.now()];
    expect((await server.call(key, line + query, { body })).status).toBeLessThan(300);
    // If this took longer than a second, the key was looked up again before the write.
    expect(server.lookups() - before).toBeLessThanOrEqual(performance.now() - since < 1_000 ? 1 : 2);
  }
});

test('a request that writes after more than a second looks up its key once more, and is written and counted once', async () => {
  // With one connection the second lookup has to use the connection of the write.
  for (const connections of [10, 1]) {
    const server = await openCounting(connections);
    const { id, companyId } = await newSubject(world);
    const { key } = await world.keys.create({
      ...{ companyId, integrationId: null, name: null, expiresAt: null, allowedIps: ['127.0.0.1'], perMinute: 100 },
      scopes: ['read:agents', 'write:agents'],
    });
    const requests = [
      { line: `PATCH /agents/${id}`, key, body: { name: 'In time' } },
      { line: 'POST /agents', key, body: draft },
    ];
    const answers = await Promise.all(requests.map((request) => sendSlowly(server.origin, request, async () => {})));
    expect(answers.map(({ status }) => status)).toEqual([200, 201]);
    expect(JSON.parse(await world.row(id))).toMatchObject({ version: 2, name: 'In time' });
    const { headers } = await server.call(key, `GET /agents/${id}`);
    expect(headers['x-ratelimit-remaining-minute']).toBe('97');
    // The three requests make two or three lookups, and each of the two writes makes one more.
    expect([4, 5]).toContain(server.lookups());
  }
});

test('once a key is within its raised limit, its agent is read together with it again', async () => {
  let reads = 0;
  const onStatement = (sql: string) => {
    if (sql.includes('FROM agent a')) reads += 1;
  };
  const { origin } = await openAnotherServer(world, { onStatement });
  const { id, companyId } = await newSubject(world);
  const key = await world.limitedKey(companyId, { perHour: 1 });
  const get = async () => (await callsOf(origin).call(key, `GET /agents/${id}`)).status;
  expect([await get(), await get()]).toEqual([200, 429]);
  await world.sql.query('UPDATE api_key SET per_hour = 0 WHERE per_hour = 1 AND company_id = $1', [companyId]);
  expect(await get()).toBe(200);
  const before = reads;
  expect(await get()).toBe(200);
  expect(reads - before).toBe(1);
});
