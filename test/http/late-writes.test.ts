import { expect, test, vi } from 'vitest';
import { findStatement } from '../../src/agents/write/find.statements.ts';
import { lockSoonStatement } from '../../src/agents/write/lock.statements.ts';
import { singleLookupSql } from '../../src/auth/lookup.statements.ts';
import { shareNumbersStatement } from '../../src/companies/number-lock.statements.ts';
import { longest } from '../../src/http/deadline.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { storedOf } from '../support/ended-keys.ts';
import { draft, pathOf } from '../support/endpoints.ts';
import { heldStatements } from '../support/held-statements.ts';
import { newSubject, type Subject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const isFind = (sql: string) => sql === findStatement([]).text;
const isLock = (sql: string) => sql === lockSoonStatement('').text;
const isLookup = (sql: string) => sql === singleLookupSql;
const keyed = { 'idempotency-key': 'late' };

interface Case {
  /** A statement between the lookup of the key and the write. */
  readonly isHeld: (sql: string) => boolean;
  readonly line: (id: string) => string;
  readonly body?: (numberId: string) => object;
  readonly headers?: Record<string, string>;
}

const cases: readonly Case[] = [
  { isHeld: isFind, line: (id) => `PATCH /agents/${id}`, body: () => ({ name: 'Late' }), headers: keyed },
  {
    isHeld: isLock,
    line: (id) => `PATCH /agents/${id}`,
    body: (companyPhoneNumberId) => ({ name: 'Late', companyPhoneNumberId }),
  },
  { isHeld: isFind, line: (id) => `POST /agents/${id}/versions/1/restore`, headers: keyed },
  { isHeld: (sql) => sql.includes('SET deleted_at'), line: (id) => `DELETE /agents/${id}` },
  { isHeld: (sql) => sql.includes('INSERT INTO agent ('), line: () => 'POST /agents', body: () => draft },
  {
    isHeld: (sql) => sql === shareNumbersStatement([]).text,
    line: () => 'POST /agents',
    body: (companyPhoneNumberId) => ({ ...draft, type: 'PHONE', companyPhoneNumberId }),
    headers: keyed,
  },
];

/** A server with the time limit of production for requests alone, and one connection for writes, which makes them wait in line. */
async function openServer() {
  const held = heldStatements();
  const { origin } = await openAnotherServer(world, {
    ...{ connections: 2, longestRequest: longest, onStatement: held.onStatement },
  });
  const { call, patch } = callsOf(origin);
  const other = await newSubject(world);
  /** Resolves when the server has ended all writes that were sent before: each of these changes waits in line behind them. */
  const untilWritten = async () => {
    for (const duration of [41, 42, 43]) {
      // A slow machine answers 503.
      const isWritten = async () => (await patch(other.key, other.id, { duration })).status === 200;
      await vi.waitUntil(isWritten, { timeout: 60_000 });
    }
  };
  await untilWritten();
  return { held, call, patch, untilWritten };
}

test('what was answered 503 before it was decided replaces no later change, whatever it writes', async () => {
  const ends = cases.map(async ({ isHeld, line, body, headers = {} }) => {
    const { id, key, companyId } = await newSubject(world);
    const numberId = await world.phoneNumber(companyId);
    const { held, call, untilWritten } = await openServer();
    const { count, release } = held.hold(isHeld);
    const request = { headers, ...(body && { body: body(numberId) }) };
    const late = await call(key, line(id), request);
    expectProblem(late, { code: 'DATABASE_UNAVAILABLE', instance: pathOf(line(id)) });
    expect(count()).toBe(1);
    expect(await world.patch(key, id, { name: 'Later' })).toMatchObject({ status: 200, body: { name: 'Later' } });
    const stored = await storedOf(world, companyId);
    release();
    await untilWritten();
    expect(await storedOf(world, companyId)).toEqual(stored);
  });
  await Promise.all(ends);
});

test('what waits in its last second for a connection is not begun after its 503, whatever it writes', async () => {
  const lines = [
    { line: (id: string) => `PATCH /agents/${id}`, body: { name: 'Late' } },
    { line: () => 'POST /agents', body: draft },
    { line: (id: string) => `DELETE /agents/${id}` },
  ];
  const ends = lines.map(async ({ line, ...rest }) => {
    const [{ id, key, companyId }, first] = await Promise.all([newSubject(world), newSubject(world)]);
    const { held, call, patch, untilWritten } = await openServer();
    const lock = held.hold(isLock);
    // Has the only connection for writes.
    const companyPhoneNumberId = await world.phoneNumber(first.companyId);
    const before = patch(first.key, first.id, { companyPhoneNumberId });
    await lock.reached();
    const stored = await storedOf(world, companyId);
    // One batch of lookups runs at a time: the key of the late request is looked up when this one has been.
    const lookup = held.hold(isLookup);
    const reading = call(first.key, `GET /agents/${first.id}`);
    await lookup.reached();
    const since = performance.now();
    const late = call(key, line(id), rest);
    await vi.waitUntil(() => performance.now() - since > longest - 300, { timeout: 60_000, interval: 5 });
    lookup.release();
    expectProblem(await late, { code: 'DATABASE_UNAVAILABLE', instance: pathOf(line(id)) });
    lock.release();
    await reading;
    expectProblem(await before, { code: 'DATABASE_UNAVAILABLE', instance: `/agents/${first.id}` });
    await untilWritten();
    expect(await storedOf(world, companyId)).toEqual(stored);
  });
  await Promise.all(ends);
});

test('of changes that are written together, one whose deadline has passed is refused and the others are written', () =>
  // The change in time has a second at most for its writing; if it takes longer, its answer is as late as the limit.
  unlessTooSlow(async ({ timed }) => {
    const [first, late, inTime] = await Promise.all([newSubject(world), newSubject(world), newSubject(world)]);
    const { held, call, patch, untilWritten } = await openServer();
    const change = ({ key, id }: Subject) => patch(key, id, { duration: 45 }, { headers: keyed });
    const before = held.hold(isFind);
    const begun = timed(change(first));
    await before.reached();
    const stored = await storedOf(world, late.companyId);
    const since = performance.now();
    const refused = change(late);
    await untilOutdated(since);
    const written = timed(change(inTime));
    // Once this is answered, the keys of the requests before it have been looked up.
    await call(inTime.key, `GET /agents/${inTime.id}`);
    const batch = held.hold(isFind);
    before.release();
    expect(await begun).toMatchObject({ status: 200, body: { duration: 45 } });
    expectProblem(await refused, { code: 'DATABASE_UNAVAILABLE', instance: `/agents/${late.id}` });
    expect(batch.count()).toBe(1);
    batch.release();
    expect(await written).toMatchObject({ status: 200, body: { duration: 45 }, headers: { etag: '"2"' } });
    await untilWritten();
    expect(await storedOf(world, late.companyId)).toEqual(stored);
  }, longest));
