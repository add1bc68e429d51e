import { expect, test } from 'vitest';
import { fieldEntries, fullFields, nullableFields } from '../../support/fields.ts';
import { inOneBatch } from '../../support/locks.ts';
import { expectChange, fullAgent, newSubject } from '../../support/patch-agent.ts';
import { answerOf, storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const settable = fieldEntries.filter(([, { good }]) => good.length > 0);

test.for(settable)(
  'a patch of %s stores each valid value as sent and changes nothing else',
  async ([field, { good }]) => {
    const agent = await newSubject(world, fullFields);
    for (const value of good) await expectChange(world, agent, { [field]: value }, { [field]: value });
  },
);

test.for(nullableFields)('a null %s clears the field and changes nothing else', async (field) => {
  const agent = await fullAgent(world);
  await expectChange(world, agent, { [field]: null }, { [field]: null });
});

test.for(['45.0', '4.5e1', '45', '450e-1'])('the duration %s is accepted as 45', async (written) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, `{"duration":${written}}`, { duration: 45 });
});

test.for([
  ['180.00000000000001', 180],
  ['0.99999999999999999', 1],
  ['45.000000000000001', 45],
] as const)('the duration %s is accepted as %d, to which JavaScript rounds it', async ([written, duration]) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, `{"duration":${written}}`, { duration });
});

test('one patch changes all fields in one version', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  const fields = { ...fullFields, type: 'PHONE', companyPhoneNumberId: number };
  expect(Object.keys(fields)).toHaveLength(fieldEntries.length);
  await expectChange(world, agent, fields, fields);
});

test('a cefrLevel is accepted with any focus', async () => {
  const agent = await newSubject(world, { focus: 'OUTREACH' });
  await expectChange(world, agent, { cefrLevel: 'C1' }, { cefrLevel: 'C1' });
});

test('of duplicate members the last one is used', async () => {
  const agent = await newSubject(world);
  await expectChange(world, agent, '{"duration":500,"duration":45}', { duration: 45 });
});

test('changedFields in the history leaves out fields that were sent with their stored value', async () => {
  const agent = await newSubject(world, fullFields);
  await expectChange(world, agent, { ...fullFields, voiceId: 'SUE' }, { voiceId: 'SUE' });
});

test('an agent id in upper case finds the agent, and the answer has it in lower case', async () => {
  const agent = await newSubject(world);
  const answer = await world.patch(agent.key, agent.id.toUpperCase(), { name: 'Upper' });
  expect(answer).toMatchObject({ status: 200, body: { id: agent.id, companyId: agent.companyId, name: 'Upper' } });
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ id: agent.id, name: 'Upper', version: 2 });
});

test('changes within one millisecond each have a later updatedAt and a version of their own', async () => {
  const agent = await newSubject(world);
  const names = ['One', 'Two', 'Three', 'Four', 'Five', 'Six'];
  const answers = await inOneBatch(world, agent, () =>
    Promise.all(names.map((name) => world.patch(agent.key, agent.id, { name }))),
  );
  const { row, history } = await storedAgent(world, agent.id);
  const times = history.map(({ createdAt }) => createdAt.getTime());
  expect(history.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
  const answered = answers.map(({ headers, body }) => [headers['etag'], Object(body).updatedAt]);
  const stored = history.slice(2).map(({ version, createdAt }) => [`"${version}"`, createdAt.toISOString()]);
  expect(answered.toSorted()).toEqual(stored);
  const last = answers.find(({ headers }) => headers['etag'] === '"8"');
  expect(last?.body).toEqual(answerOf(row));
});

test('updatedAt increases even if the stored time is ahead of the clock', async () => {
  const agent = await newSubject(world);
  await world.sql.query(`UPDATE agent SET updated_at = '2199-01-01T00:00:00Z' WHERE id = $1`, [agent.id]);
  await expectChange(world, agent, { name: 'From the future' }, { name: 'From the future' });
});
