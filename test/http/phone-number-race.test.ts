import { expect, test, vi } from 'vitest';
import { lockNumberStatement } from '../../src/companies/number-lock.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { inOneBatch, untilWaiting, whileLocked } from '../support/locks.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { expectReplay } from '../support/retry.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const lockHistory = 'LOCK TABLE agent_version IN SHARE MODE';
const lockAudit = 'LOCK TABLE audit_entry IN SHARE MODE';
const draft = { name: 'New', type: 'PHONE', focus: 'GENERIC', language: 'EN', duration: 5 };

/** Requests that give an agent a phone number, and the status of their success. */
const requests = {
  PATCH: [200, (agent, number) => world.patch(agent.key, agent.id, { companyPhoneNumberId: number })],
  'PATCH with an Idempotency-Key': [
    200,
    (agent, number) => {
      const headers = { 'idempotency-key': 'patch' };
      return world.patch(agent.key, agent.id, { companyPhoneNumberId: number }, { headers });
    },
  ],
  restore: [200, (agent) => world.call(agent.key, `POST /agents/${agent.id}/versions/2/restore`)],
  POST: [
    201,
    (agent, number) => world.call(agent.key, 'POST /agents', { body: { ...draft, companyPhoneNumberId: number } }),
  ],
  'POST with an Idempotency-Key': [
    201,
    (agent, number) => {
      const headers = { 'idempotency-key': 'post' };
      return world.call(agent.key, 'POST /agents', { body: { ...draft, companyPhoneNumberId: number }, headers });
    },
  ],
} as const satisfies Record<
  string,
  readonly [number, (agent: Subject, number: string) => ReturnType<typeof world.patch>]
>;

/** An agent that had an active phone number of its company at version 2, and that number. */
async function openCase() {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await world.patch(agent.key, agent.id, { companyPhoneNumberId: number });
  await world.patch(agent.key, agent.id, { companyPhoneNumberId: null });
  return { agent, number };
}

const countWith = async (number: string) =>
  (await world.sql.query('SELECT FROM agent WHERE company_phone_number_id = $1', [number])).rowCount;

test.for(Object.entries(requests))(
  'no agent is given a phone number after its deactivation was reported: %s that is being written',
  async ([, [success, send]]) => {
    const { agent, number } = await openCase();
    await whileLocked(world, lockHistory, [], async (release) => {
      const sent = send(agent, number);
      await untilWaiting(world);
      let isReported = false;
      const deactivated = world.companies.deactivatePhoneNumber(number).finally(() => {
        isReported = true;
      });
      // Waits for the request, unless that has been rolled back to be repeated.
      await Promise.race([deactivated, untilWaiting(world, 2)]);
      const refused = { status: 400, count: 0 };
      const allowed = isReported ? [refused] : [refused, { status: success, count: 1 }];
      await release();
      const [{ status }] = await Promise.all([sent, deactivated]);
      expect(allowed).toContainEqual({ status, count: await countWith(number) });
    });
  },
);

test.for(Object.entries(requests))(
  'a phone number that is being deactivated is refused once that is committed: %s',
  async ([, [, send]]) => {
    const { agent, number } = await openCase();
    await whileLocked(world, lockAudit, [], async (release) => {
      const deactivated = world.companies.deactivatePhoneNumber(number);
      await untilWaiting(world);
      const sent = send(agent, number);
      await untilWaiting(world, 2);
      await release();
      const [{ status, body }] = await Promise.all([sent, deactivated]);
      expect({ status, body, count: await countWith(number) }).toMatchObject({
        ...{ status: 400, count: 0 },
        body: { errors: [{ pointer: '#/companyPhoneNumberId', code: 'not_found' }] },
      });
    });
  },
);

test('a repeated creation gets the kept answer, also if the number is deactivated while it waits', async () => {
  const { agent, number } = await openCase();
  const send = () => requests['POST with an Idempotency-Key'][1](agent, number);
  const first = await send();
  expect(first.status).toBe(201);
  const age = (created: string) => `UPDATE idempotency_key SET created_at = ${created} WHERE api_key_id = $1`;
  await world.sql.query(age(`now() - interval '24 hours'`), [agent.keyId]);
  const another = await world.sql.connect();
  try {
    const { text, values } = lockNumberStatement(number);
    await another.query('BEGIN');
    await another.query(text, values);
    // Finds an active number and no answer, as if the first request were still under way.
    const repeated = send();
    await untilWaiting(world);
    await another.query(age('now()'), [agent.keyId]);
    await another.query(`UPDATE company_phone_number SET status = 'INACTIVE' WHERE id = $1`, [number]);
    await another.query('COMMIT');
    expectReplay(await repeated, first);
  } finally {
    another.release(true);
  }
  expect(await countWith(number)).toBe(1);
});

test('a PATCH that repeats the number of its agent is written in a batch, without a lock on the number', async () => {
  const { agent, number } = await openCase();
  const statements: string[] = [];
  const server = await openAnotherServer(world, { onStatement: (text) => statements.push(text) });
  const patch = (duration: number) =>
    callsOf(server.origin).patch(agent.key, agent.id, { duration, companyPhoneNumberId: number });
  const locks = () => statements.filter((text) => text.includes('pg_advisory_xact_lock_shared')).length;
  expect(await patch(20)).toMatchObject({ status: 200, body: { duration: 20 } });
  expect(locks()).toBe(1);
  expect(await patch(21)).toMatchObject({ status: 200, body: { duration: 21 } });
  expect([locks(), await countWith(number)]).toEqual([1, 1]);
});

test('a PATCH that repeats a number which another of its batch takes away waits for the lock on the number', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await world.sql.query('UPDATE agent SET company_phone_number_id = $1 WHERE id = $2', [number, agent.id]);
  const patch = (companyPhoneNumberId: string | null) => world.patch(agent.key, agent.id, { companyPhoneNumberId });
  const { text, values } = lockNumberStatement(number);
  const answers = await whileLocked(world, text, [...values], async (release) => {
    let isAnswered = false;
    const sent = inOneBatch(world, agent, () => Promise.all([patch(null), patch(number)]));
    sent.then(() => {
      isAnswered = true;
    });
    const waiting = `SELECT FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()
                      WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted`;
    await vi.waitUntil(async () => (await world.sql.query(waiting)).rowCount === 1, { timeout: 60_000, interval: 5 });
    expect(isAnswered).toBe(false);
    await release();
    return await sent;
  });
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(await countWith(number)).toBe(1);
});
