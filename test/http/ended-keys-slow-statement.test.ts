import { expect, test } from 'vitest';
import { findStatement } from '../../src/agents/write/find.statements.ts';
import { lockSoonStatement } from '../../src/agents/write/lock.statements.ts';
import { changeStatement } from '../../src/agents/write/statements.ts';
import { shareNumbersStatement } from '../../src/companies/number-lock.statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import { draft } from '../support/endpoints.ts';
import { untilWaiting, whileAgentLocked, whileLocked } from '../support/locks.ts';
import { newSubject } from '../support/patch-agent.ts';
import { untilOutdated } from '../support/slow-body.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { revoked } = ends;
const code = revoked?.code ?? 'INTERNAL_ERROR';

test('a key that ends while the transaction of its change reads for more than a second writes nothing', async () => {
  const subject = await newAtsSubject(world);
  const companyPhoneNumberId = await world.phoneNumber(subject.companyId);
  const before = await storedOf(world, subject.companyId);
  const lock = lockSoonStatement(subject.id).text;
  const read = findStatement([]).text;
  let isLocked = false;
  const { origin } = await openAnotherServer(world, {
    async onStatement(sql) {
      isLocked ||= sql === lock;
      if (!isLocked || sql !== read) return;
      await untilOutdated(performance.now());
      await revoked?.end(world, subject.keyId);
    },
  });
  const line = `PATCH /agents/${subject.id}`;
  const answer = await callsOf(origin).call(subject.key, line + subject.query, { body: { companyPhoneNumberId } });
  expectEnded(answer, code, line);
  expect(await storedOf(world, subject.companyId)).toEqual(before);
});

test('a key that ends while a batch with an older lookup waits for more than a second writes nothing, and the others write', async () => {
  const [first, older, ended] = await Promise.all([newSubject(world), newSubject(world), newAtsSubject(world)]);
  const before = await storedOf(world, ended.companyId);
  const write = changeStatement('withoutEvents', [], 0).text;
  let held = 0;
  const { origin } = await openAnotherServer(world, {
    async onStatement(sql) {
      if (sql !== write) return;
      held += 1;
      await untilOutdated(performance.now());
      await revoked?.end(world, ended.keyId);
    },
  });
  const { call, patch } = callsOf(origin);
  const line = `PATCH /agents/${ended.id}`;
  // Changes that are sent while the first one waits form the next batch.
  const answers = await whileLocked(world, 'LOCK TABLE agent_version IN SHARE MODE', [], async (release) => {
    const begun = patch(first.key, first.id, { duration: 45 });
    await untilWaiting(world);
    const inBatch = patch(older.key, older.id, { duration: 45 });
    await call(older.key, `GET /agents/${older.id}`);
    await untilOutdated(performance.now());
    const last = call(ended.key, line + ended.query, { body: { duration: 45 } });
    await call(ended.key, `GET /agents/${ended.id}${ended.query}`);
    await release();
    expect((await begun).status).toBe(200);
    return await Promise.all([inBatch, last]);
  });
  expect(held).toBe(1);
  expect(answers[0]).toMatchObject({ status: 200, body: { duration: 45 } });
  expectEnded(answers[1], code, line);
  expect(await storedOf(world, ended.companyId)).toEqual(before);
});

interface Stalled {
  readonly line: (id: string) => string;
  readonly body?: (companyPhoneNumberId: string) => object;
  /** The statement that waits, and the one after it that writes. */
  readonly waits: string;
  readonly writes: string;
}

const stalled: readonly Stalled[] = [
  {
    line: (id) => `PATCH /agents/${id}`,
    body: (companyPhoneNumberId) => ({ companyPhoneNumberId }),
    ...{ waits: lockSoonStatement('').text, writes: 'UPDATE agent a SET' },
  },
  {
    line: () => 'POST /agents',
    body: (companyPhoneNumberId) => ({ ...draft, type: 'PHONE', companyPhoneNumberId }),
    ...{ waits: shareNumbersStatement([]).text, writes: 'INSERT INTO agent (' },
  },
  {
    line: (id) => `DELETE /agents/${id}`,
    ...{ waits: lockSoonStatement('').text, writes: 'SET deleted_at' },
  },
];

/** Sends a request whose first statement that writes behind its locks needs more than a second to the database. */
async function sendStalled(
  { id, companyId, key, query }: Awaited<ReturnType<typeof newAtsSubject>>,
  { line, body, waits, writes }: Stalled,
  meanwhile: () => Promise<unknown>,
) {
  const numberId = await world.phoneNumber(companyId);
  let hasWaited = false;
  let isOver = false;
  return await whileAgentLocked(world, id, async (release) => {
    const { origin } = await openAnotherServer(world, {
      async onStatement(sql) {
        if (sql === waits) {
          await release();
          hasWaited = true;
        }
        if (!hasWaited || isOver || !sql.includes(writes)) return;
        isOver = true;
        await untilOutdated(performance.now());
        await meanwhile();
      },
    });
    const answer = await callsOf(origin).call(key, line(id) + query, body && { body: body(numberId) });
    expect(isOver).toBe(true);
    return answer;
  });
}

test('a key that ends while the statement that writes needs more than a second to the database writes nothing, whatever it writes', async () => {
  const ended = stalled.map(async (request) => {
    const subject = await newAtsSubject(world);
    const before = await storedOf(world, subject.companyId);
    const answer = await sendStalled(subject, request, async () => revoked?.end(world, subject.keyId));
    expectEnded(answer, code, request.line(subject.id));
    expect(await storedOf(world, subject.companyId)).toEqual(before);
  });
  await Promise.all(ended);
});

test('a key that is still valid writes once when the statement needs more than a second to the database, whatever it writes', async () => {
  const written = stalled.map(async (request) => {
    const subject = await newAtsSubject(world);
    const { status } = await sendStalled(subject, request, async () => {});
    const rows = await storedOf(world, subject.companyId);
    return { status, rows: rows.map(({ length }) => length) };
  });
  expect(await Promise.all(written)).toEqual([
    { status: 200, rows: [1, 2, 0, 0] },
    { status: 201, rows: [2, 2, 0, 0] },
    { status: 204, rows: [1, 1, 0, 1] },
  ]);
});
