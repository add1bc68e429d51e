import { expect, onTestFinished, test, vi } from 'vitest';
import { agentVersionRepository } from '../../../src/agents/history/repository.ts';
import { agentRepository } from '../../../src/agents/repository.ts';
import { agentService } from '../../../src/agents/service.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { directCaller, OneSecondLeft } from '../../support/direct-caller.ts';
import { draft } from '../../support/endpoints.ts';
import { whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { insertKeptAnswer, newKey } from '../../support/retry.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openLimited } from '../../support/time-limits.ts';
import { target } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** A URL for which a wait for a lock ends soon. */
function impatientUrl(): string {
  const url = new URL(world.databaseUrl);
  url.searchParams.set('options', '-c lock_timeout=20ms');
  return url.href;
}

/** Counts the waits for a lock that it sees. */
function lockWaits() {
  const waits = new Set<string>();
  const sql = `SELECT query_start::text AS since FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return async () => {
    for (const { since } of (await world.sql.query(sql)).rows) waits.add(since);
    return waits.size;
  };
}

test('a creation waits for its twin longer than one lock timeout', async () => {
  const { key, keyId, id, companyId } = await newSubject(world);
  const { origin } = await openAnotherServer(world, { databaseUrl: impatientUrl() });
  const request = { body: draft, headers: { 'idempotency-key': newKey() } };
  const kept = [keyId, request.headers['idempotency-key'], id];
  const answer = await whileLocked(world, insertKeptAnswer, kept, async (release) => {
    let isAnswered = false;
    const waiting = callsOf(origin)
      .call(key, 'POST /agents', request)
      .finally(() => {
        isAnswered = true;
      });
    const countWaits = lockWaits();
    // One attempt waits twice.
    const hasWaitedAgain = async () => (await countWaits()) > 2 || isAnswered;
    await vi.waitUntil(hasWaitedAgain, { timeout: 60_000, interval: 5 });
    await release('COMMIT');
    return await waiting;
  });
  expectProblem(answer, { code: 'IDEMPOTENCY_KEY_REUSED', instance: '/agents' });
  expect(await world.agents.list(companyId)).toHaveLength(1);
});

test.for([
  ['without a phone number', false],
  ['with a phone number', true],
] as const)(
  'a creation %s still waits for its twin in the last second before its deadline, and repeats the answer of the twin',
  async ([, hasNumber]) => {
    const { key, keyId, id, companyId } = await newSubject(world);
    const content = hasNumber ? { ...draft, companyPhoneNumberId: await world.phoneNumber(companyId) } : draft;
    const database = openLimited('patient', impatientUrl(), 4);
    onTestFinished(() => database.close());
    const agents = agentService(agentRepository(database), agentVersionRepository(database));
    const by = { ...directCaller({ id: companyId, keyId }), deadline: new OneSecondLeft(performance.now()) };
    const idempotency = { key: newKey(), fingerprint: 'of another request' };
    const twin = await world.sql.connect();
    onTestFinished(() => twin.release(true));
    await twin.query('BEGIN');
    await twin.query(insertKeptAnswer, [keyId, idempotency.key, id]);
    let isAnswered = false;
    const created = agents.create(companyId, content, by, idempotency).finally(() => {
      isAnswered = true;
    });
    const countWaits = lockWaits();
    const hasWaited = async () => (await countWaits()) > 2 || isAnswered;
    await Promise.race([vi.waitUntil(hasWaited, { timeout: 60_000, interval: 5 }), created]);
    await twin.query('COMMIT');
    expect(await created).toMatchObject({ agent: { id }, replayed: true });
    expect(Object((await world.call(key, 'GET /agents')).body).pagination).toMatchObject({ total: 1 });
  },
);

test('a creation with an Idempotency-Key in the last second before its deadline waits for other locks than that of the key too', async () => {
  const { key, keyId, companyId } = await newSubject(world);
  expect(await world.call(key, 'POST /webhooks', { body: target })).toMatchObject({ status: 201 });
  const database = openLimited('patient', impatientUrl(), 4);
  onTestFinished(() => database.close());
  const agents = agentService(agentRepository(database), agentVersionRepository(database));
  const by = { ...directCaller({ id: companyId, keyId }), deadline: new OneSecondLeft(performance.now()) };
  const lock = 'SELECT FROM webhook_endpoint WHERE company_id = $1 FOR UPDATE';
  await whileLocked(world, lock, [companyId], async (release) => {
    let isAnswered = false;
    const created = agents.create(companyId, draft, by, { key: newKey(), fingerprint: 'any' }).finally(() => {
      isAnswered = true;
    });
    const countWaits = lockWaits();
    const hasWaited = async () => (await countWaits()) > 2 || isAnswered;
    await Promise.race([vi.waitUntil(hasWaited, { timeout: 60_000, interval: 5 }), created]);
    await release();
    expect(await created).toMatchObject({ agent: { content: { name: draft.name } } });
  });
});

test('a creation with an Idempotency-Key whose body came slowly waits for other locks than that of the key too', async () => {
  const { key, keyId, id, companyId } = await newSubject(world);
  expect(await world.call(key, 'POST /webhooks', { body: target })).toMatchObject({ status: 201 });
  const database = openLimited('patient', world.databaseUrl, 4);
  onTestFinished(() => database.close());
  const agents = agentService(agentRepository(database), agentVersionRepository(database));
  const by = directCaller({ id: companyId, keyId });
  // As after a slow body: the key is looked up again.
  const admission = { ...by.admission, lookedUpAt: Number.NEGATIVE_INFINITY };
  const idempotency = { key: newKey(), fingerprint: 'any' };
  const lock = 'SELECT FROM webhook_endpoint WHERE company_id = $1 FOR UPDATE';
  await whileLocked(world, lock, [companyId], async (release) => {
    let isAnswered = false;
    const created = agents.create(companyId, draft, { ...by, admission }, idempotency).finally(() => {
      isAnswered = true;
    });
    const countWaits = lockWaits();
    // The first wait ends after 100 ms.
    const hasWaited = async () => (await countWaits()) > 1 || isAnswered;
    await Promise.race([vi.waitUntil(hasWaited, { timeout: 60_000, interval: 5 }), created]);
    await release();
    const { agent } = await created;
    const { row, history } = await storedAgent(world, agent.id);
    expect(row).toMatchObject({ name: draft.name, version: 1, company_id: companyId });
    expect(history).toMatchObject([{ version: 1, keyId, requestId: by.requestId }]);
    expect((await world.agents.list(companyId)).map((one) => one.id).toSorted()).toEqual([agent.id, id].toSorted());
    const again = await agents.create(companyId, draft, by, idempotency);
    expect(again).toMatchObject({ agent, replayed: true });
  });
});
