import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { problems } from '../../../src/http/problems.ts';
import { fieldRows, fullFields, otherFields } from '../../support/fields.ts';
import { changedFieldsIn, expectAgent, expectRefusal, newSubject, type Subject } from '../../support/patch-agent.ts';
import { asColumns, snapshotOf, storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

type Headers = { 'If-Match'?: string; 'X-Request-Id'?: string };
const restore = ({ id, key }: Subject, version: number, header: Headers = {}) =>
  world.client(key).restore(id, version, { header });

/** Restores a version as a new one; compares the whole answer, row and history. */
async function expectRestored(agent: Subject, version: number, changed: readonly string[]): Promise<void> {
  const before = await storedAgent(world, agent.id);
  const requestId = randomUUID();
  const answer = await restore(agent, version, { 'X-Request-Id': requestId });
  const { row, history } = await storedAgent(world, agent.id);
  const snapshot = history[version - 1]?.snapshot ?? {};
  const next = Number(before.row.version) + 1;
  const createdAt = new Date(String(row.updated_at));

  expect(row).toEqual({ ...before.row, ...asColumns(snapshot), version: next, updated_at: row.updated_at });
  expect(createdAt.getTime()).toBeGreaterThan(new Date(String(before.row.updated_at)).getTime());
  expectAgent(answer, row);
  expect(changedFieldsIn(answer).toSorted()).toEqual(changed);
  expect(answer.headers).not.toHaveProperty('dry-run');
  const entry = { version: next, createdAt, snapshot, changedFields: changed, restoredFrom: version };
  expect(history).toEqual([...before.history, { ...entry, keyId: agent.keyId, requestId }]);
}

const refuse = (agent: Subject, version: number, errors: readonly Fault[]) =>
  expectRefusal(world, agent.id, () => restore(agent, version), {
    code: 'VALIDATION_FAILED',
    instance: `/agents/${agent.id}/versions/${version}/restore`,
    errors,
  });

const byPatch = 'send the fields that you want of this version by PATCH instead';
const notFound: Fault = {
  in: 'body',
  pointer: '#/companyPhoneNumberId',
  code: 'not_found',
  detail: `must be an active phone number of the company, which that of this version no longer is: ${byPatch}`,
};

test('a restore sets every field to its old value as a new version, and can be restored from in turn', async () => {
  const agent = await newSubject(world, fullFields);
  const metadata = { team: null, nested: null, added: { deep: true } };
  const number = await world.phoneNumber(agent.companyId);
  await world.patch(agent.key, agent.id, { ...otherFields(number), metadata });
  const changed = Object.keys(fieldRows).toSorted();
  await expectRestored(agent, 1, changed);
  await expectRestored(agent, 2, changed);
});

test('a restore of the stored content changes nothing', async () => {
  const agent = await newSubject(world, fullFields);
  await world.client(agent.key).patch(agent.id, { name: 'Second' });
  await world.client(agent.key).patch(agent.id, { name: 'Before' });
  for (const version of [3, 1]) {
    const before = await storedAgent(world, agent.id);
    const answer = await restore(agent, version);
    expectAgent(answer, before.row);
    expect(answer.headers['changed-fields']).toBe('');
    expect(await storedAgent(world, agent.id)).toEqual(before);
  }
});

test('a restored phone number is attached if it is active, and the header names it', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await world.client(agent.key).patch(agent.id, { type: 'PHONE', companyPhoneNumberId: number });
  await world.client(agent.key).patch(agent.id, { type: 'ONLINE', companyPhoneNumberId: null });
  await expectRestored(agent, 2, ['companyPhoneNumberId', 'type']);
});

test('a restore is checked like a patch: a version with an inactive phone number answers 400 until the number is active', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await world.client(agent.key).patch(agent.id, { type: 'PHONE', companyPhoneNumberId: number });
  await world.client(agent.key).patch(agent.id, { type: 'ONLINE', companyPhoneNumberId: null });
  await world.companies.deactivatePhoneNumber(number);
  await refuse(agent, 2, [notFound]);
  await world.sql.query(`UPDATE company_phone_number SET status = 'ACTIVE' WHERE id = $1`, [number]);
  await expectRestored(agent, 2, ['companyPhoneNumberId', 'type']);
});

test('a restore keeps the agent’s own phone number even if it is inactive', async () => {
  const agent = await newSubject(world);
  const companyPhoneNumberId = await world.phoneNumber(agent.companyId);
  await world.client(agent.key).patch(agent.id, { companyPhoneNumberId });
  await world.client(agent.key).patch(agent.id, { name: 'Third' });
  await world.companies.deactivatePhoneNumber(companyPhoneNumberId);
  await expectRestored(agent, 2, ['name']);
});

/** Rewrites the first version as an older server may have stored it. */
async function rewriteFirstVersion({ id }: Subject, fields: object): Promise<void> {
  await world.sql.query('ALTER TABLE agent_version DISABLE TRIGGER agent_version_never_changes');
  const sql = 'UPDATE agent_version SET snapshot = snapshot || $2 WHERE agent_id = $1 AND version = 1';
  await world.sql.query(sql, [id, JSON.stringify(fields)]);
  await world.sql.query('ALTER TABLE agent_version ENABLE TRIGGER agent_version_never_changes');
}

test('a restore accepts old values outside today’s enumerations and limits', async () => {
  const agent = await newSubject(world);
  const old = { type: 'VIDEO', focus: 'EXIT', language: 'XX', voiceId: 'HAL', cefrLevel: 'D1', duration: 999 };
  await rewriteFirstVersion(agent, old);
  await expectRestored(agent, 1, Object.keys(old).toSorted());
});

test('a restore refuses metadata over a limit, unless the stored metadata is as large', async () => {
  const agent = await newSubject(world);
  const many = Object.fromEntries(Array.from({ length: 52 }, (_, at) => [`k${at}`, 1]));
  const metadata = { ...many, text: 'x'.repeat(11_000), a: { b: { c: { d: { e: {} } } } } };
  const bytes = JSON.stringify(metadata).length;
  await rewriteFirstVersion(agent, { metadata });
  const over = (code: Fault['code'], limit: number, text: string): Fault => ({
    ...{ in: 'body', pointer: '#/metadata', code, limit, detail: `${text}: ${byPatch}` },
  });
  await refuse(agent, 1, [
    over('too_deep', 5, 'must be at most 5 levels deep once restored, but would be 6'),
    over('too_large', 10_240, `must be at most 10240 bytes of JSON once restored, but would be ${bytes}`),
    over('too_many', 50, 'must have at most 50 keys at all levels once restored, but would have 58'),
  ]);
  await world.sql.query('UPDATE agent SET metadata = $2 WHERE id = $1', [agent.id, { ...metadata, k0: 2 }]);
  await expectRestored(agent, 1, ['metadata']);
});

const stale = problems.PRECONDITION_FAILED.detail;

test.for([
  ['"1"', stale],
  ['W/"2"', problemTexts.tagForeign],
  ['"3", "1"', stale],
] as const)('If-Match: %s does not restore over version 2 and answers 412', async ([tag, detail]) => {
  const agent = await newSubject(world);
  await world.client(agent.key).patch(agent.id, { name: 'Second' });
  const instance = `/agents/${agent.id}/versions/1/restore`;
  const send = () => restore(agent, 1, { 'If-Match': tag });
  const answer = await expectRefusal(world, agent.id, send, { code: 'PRECONDITION_FAILED', instance, detail });
  expect(answer.headers.etag).toBe('"2"');
});

test.for(['"2"', '*'])('If-Match: %s allows a restore over version 2', async (tag) => {
  const agent = await newSubject(world);
  await world.client(agent.key).patch(agent.id, { name: 'Second' });
  const answer = await restore(agent, 1, { 'If-Match': tag });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' } });
});

test('parallel restores and patches are each decided on the state that the change before them left', async () => {
  const agent = await newSubject(world, { metadata: { kept: true } });
  const ids = Array.from({ length: 12 }, (_, i) => `step-${i}`);
  const answers = await Promise.all(
    ids.map((id, i) => {
      const header = { 'X-Request-Id': id };
      return i % 2 === 0
        ? world.client(agent.key).patch(agent.id, { metadata: { [id]: i } }, { header })
        : restore(agent, 1, header);
    }),
  );
  const { row, history } = await storedAgent(world, agent.id);
  const [first, ...steps] = history;
  expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
  expect(history.map(({ version }) => version)).toEqual(history.map((_, at) => at + 1));
  expect(history.at(-1)?.snapshot).toEqual(snapshotOf(row));
  let metadata = first?.snapshot['metadata'];
  for (const { restoredFrom, requestId, snapshot } of steps) {
    const added = { [String(requestId)]: ids.indexOf(String(requestId)) };
    metadata = restoredFrom === null ? { ...Object(metadata), ...added } : first?.snapshot['metadata'];
    expect(snapshot).toEqual({ ...first?.snapshot, metadata });
  }
  // A restore of the stored content makes no version; a patch here always does.
  const patches = ids.filter((_, i) => i % 2 === 0);
  expect(steps.flatMap((step) => (step.restoredFrom === null ? [step.requestId] : [])).toSorted()).toEqual(
    patches.toSorted(),
  );
});
