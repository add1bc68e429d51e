import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { webhookRepository } from '../../../src/webhooks/repository.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { directCaller, OneSecondLeft } from '../../support/direct-caller.ts';
import { countWaiting, untilWaiting, whileLocked } from '../../support/locks.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { openLimited } from '../../support/time-limits.ts';
import { newWebhook } from '../../support/webhooks.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ connections: 4 });

/** Sends to a server with the time limits of production. */
async function hurried() {
  const { origin } = await openAnotherServer(world, { limits: 'production' });
  return callsOf(origin);
}

/** Runs a task while another server changes the endpoints of a company, as far as this one can tell. */
const whileElsewhere = <Result>(companyId: string, task: (release: () => Promise<unknown>) => Promise<Result>) =>
  whileLocked(
    world,
    `SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1, 7214839))`,
    [companyId],
    task,
  );

/** When the transaction began that waits for a lock; undefined if none does. */
async function waitingSince(): Promise<number | undefined> {
  const { rows } = await world.sql.query(
    `SELECT xact_start AS since FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows[0]?.since.getTime();
}

test('changes of one owner’s endpoints that wait for each other leave the connections to other owners', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const other = await newSubject(world);
  const pings = await whileElsewhere(companyId, async (release) => {
    const sent = Array.from({ length: 20 }, () => world.call(key, `POST /webhooks/${id}/ping`));
    await untilWaiting(world);
    // Once this is answered, the keys of all requests before it have been looked up.
    await world.call(key, `GET /webhooks/${id}`);
    expect(await world.patch(other.key, other.id, { duration: 31 })).toMatchObject({ status: 200 });
    expect(await countWaiting(world)).toBe(1);
    await release();
    return await Promise.all(sent);
  });
  expect(pings.map(({ status }) => status)).toEqual(Array(20).fill(202));
  const { rows } = await world.sql.query('SELECT FROM webhook_delivery WHERE endpoint_id = $1', [id]);
  expect(rows).toHaveLength(20);
});

/** A URL with which waits for locks take 100 ms. */
function impatientUrl(): string {
  const url = new URL(world.databaseUrl);
  url.searchParams.set('options', '-c lock_timeout=100ms');
  return url.href;
}

test('a change waits longer than one lock timeout for another server’s change of the owner’s endpoints', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const { origin } = await openAnotherServer(world, { databaseUrl: impatientUrl() });
  const answer = await whileElsewhere(companyId, async (release) => {
    let isAnswered = false;
    const sent = callsOf(origin)
      .call(key, `POST /webhooks/${id}/ping`)
      .finally(() => {
        isAnswered = true;
      });
    await untilWaiting(world);
    const first = await waitingSince();
    const isSecond = async () => isAnswered || ((await waitingSince()) ?? first) !== first;
    await vi.waitUntil(isSecond, { timeout: 60_000, interval: 10 });
    await release();
    return await sent;
  });
  expect(answer.status).toBe(202);
});

test('a change still waits for another server’s in the last second before its deadline, and is made', async () => {
  const { id: companyId, keyId } = await world.company();
  const database = openLimited('patient', impatientUrl(), 2);
  onTestFinished(() => database.close());
  const { change } = webhookRepository(database);
  const caller = { ...directCaller({ id: companyId, keyId }), deadline: new OneSecondLeft(performance.now()) };
  const by = { ...caller, owner: { companyId, integrationId: null } };
  const idempotency = { key: randomUUID(), fingerprint: 'of this request' };
  const id = randomUUID();
  const made = await whileElsewhere(companyId, async (release) => {
    const sent = change(by, idempotency, async (tx) => ({
      webhookId: id,
      answer: { count: await tx.count(by.owner) },
    }));
    const since = new Set<number | undefined>();
    const hasWaitedAgain = async () => since.add(await waitingSince()).size > 3;
    await Promise.race([vi.waitUntil(hasWaitedAgain, { timeout: 60_000, interval: 10 }), sent]);
    await release();
    return await sent;
  });
  expect(made).toEqual({ webhookId: id, answer: { count: 0 } });
});

test('a change that cannot be made before its deadline is 409 with an idempotency key, 503 without one', async () => {
  const { call } = await hurried();
  const cases = [
    { code: 'IDEMPOTENCY_KEY_IN_USE', headers: { 'idempotency-key': randomUUID() } },
    { code: 'DATABASE_UNAVAILABLE', headers: {} },
  ] as const;
  const refused = cases.map(async ({ code, headers }) => {
    const { id: companyId, key } = await world.company();
    const { id } = await newWebhook(world, key);
    const instance = `/webhooks/${id}/ping`;
    const answer = await whileElsewhere(companyId, () => call(key, `POST ${instance}`, { headers }));
    expectProblem(answer, { code, instance });
    expect((await world.call(key, `POST ${instance}`, { headers })).status).toBe(202);
  });
  await Promise.all(refused);
});

test('a change that still waits for those before it when its client is answered 503 is not made', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await newWebhook(world, key);
  const { call } = await hurried();
  await whileElsewhere(companyId, async () => {
    // Each waits for one lock timeout, which together are longer than the deadline of the deletion.
    const pings = Array.from({ length: 8 }, () => call(key, `POST /webhooks/${id}/ping`));
    await untilWaiting(world);
    // Once this is answered, the keys of all requests before it have been looked up.
    await call(key, `GET /webhooks/${id}`);
    const deletion = call(key, `DELETE /webhooks/${id}`);
    expect((await Promise.all([deletion, ...pings])).map(({ status }) => status)).toEqual(Array(9).fill(503));
  });
  // Its turn comes after all of them.
  const isServed = async () => (await call(key, `POST /webhooks/${id}/ping`)).status === 202;
  await vi.waitUntil(isServed, { timeout: 60_000, interval: 50 });
});
