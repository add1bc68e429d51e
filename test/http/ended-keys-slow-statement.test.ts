import { expect, test } from 'vitest';
import { findStatement } from '../../src/agents/write/find.statements.ts';
import { lockSoonStatement } from '../../src/agents/write/lock.statements.ts';
import { change } from '../../src/agents/write/statements.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { callsOf } from '../support/calls.ts';
import { ends, expectEnded, newAtsSubject, storedOf } from '../support/ended-keys.ts';
import { untilWaiting, whileLocked } from '../support/locks.ts';
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
  const read = findStatement({ ids: [], numberIds: [], keyIds: [], keys: [] }).text;
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
  const write = change('withoutEvents', [], null).text;
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
