import { expect, test } from 'vitest';
import { expectChange, fullFields, newSubject } from '../../support/patch-agent.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const languages =
  'UNDEFINED EN JA ZH DE HI FR KO PT IT ES ID NL TR FIL PL SV BG RO AR CS EL FI HR MS SK DA TA UK RU HU NO VI';
const voices = 'ALEX PETER MIRIAM SUE VIERA CASANDRA SILVIA MICHAEL LUKE EMMA SARAH EVA';

/** For each field values that are accepted: none equals the one before it, nor the first of them the full agent's. */
const accepted: readonly (readonly [string, readonly unknown[]])[] = [
  ['name', ['ab', '😀😀', 'x'.repeat(100), '😀'.repeat(100), '  padded\t', '\u0001\u200b', 'é́']],
  ['type', ['UNDEFINED', 'ONLINE']],
  ['focus', ['GENERIC', 'SCREENING', 'OUTREACH', 'LANGUAGE_TEST']],
  ['questions', [[], ['?'], ['😀'.repeat(2000)], [' a '], ['Two?', 'One?'], ['Same', 'Same'], Array(50).fill('Why?')]],
  ['instructions', ['', ' ', 'x'.repeat(2000), '😀'.repeat(2000), '<b>"\\\n</b>']],
  ['language', languages.split(' ')],
  ['duration', [1, 180, 90]],
  ['voiceId', voices.split(' ')],
  ['cefrLevel', ['A1', 'A2', 'B1', 'B2', 'C1', 'C2']],
  ['backgroundSound', ['OFFICE', 'OFF']],
];

test.for(accepted)('%s takes each accepted value as sent and changes nothing else', async ([field, values]) => {
  const agent = await newSubject(world, fullFields);
  for (const value of values) await expectChange(world, agent, { [field]: value }, { [field]: value });
});

const clearable = ['instructions', 'voiceId', 'cefrLevel', 'backgroundSound'];

test.for(clearable)('a null %s clears it and nothing else', async (field) => {
  const agent = await newSubject(world, fullFields);
  await expectChange(world, agent, { [field]: null }, { [field]: null });
});

test.for(['45.0', '4.5e1', '45', '450e-1'])('the duration %s is the whole number 45', async (written) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, `{"duration":${written}}`, { duration: 45 });
});

test('one patch changes all twelve fields at once, in one version', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  const fields = { ...fullFields, type: 'PHONE', companyPhoneNumberId: number };
  await expectChange(world, agent, fields, fields);
});

test('a cefrLevel is accepted with any focus', async () => {
  const agent = await newSubject(world, { focus: 'OUTREACH' });
  await expectChange(world, agent, { cefrLevel: 'C1' }, { cefrLevel: 'C1' });
});

test('the last of duplicate members counts', async () => {
  const agent = await newSubject(world);
  await expectChange(world, agent, '{"duration":500,"duration":45}', { duration: 45 });
});

test('the names of changed fields in the history leave out fields that were sent as they were', async () => {
  const agent = await newSubject(world, fullFields);
  await expectChange(world, agent, { ...fullFields, voiceId: 'SUE' }, { voiceId: 'SUE' });
});

test('an id in the path in upper case is the same agent, answered in lower case', async () => {
  const agent = await newSubject(world);
  const answer = await world.patch(agent.key, agent.id.toUpperCase(), { name: 'Upper' });
  expect(answer).toMatchObject({ status: 200, body: { id: agent.id, companyId: agent.companyId, name: 'Upper' } });
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ id: agent.id, name: 'Upper', version: 2 });
});

test('changes within one millisecond still move updatedAt forward, one version each', async () => {
  const agent = await newSubject(world);
  const names = ['One', 'Two', 'Three', 'Four', 'Five', 'Six'];
  for (const name of names) await world.client(agent.key).patch(agent.id, { name });
  const { row, history } = await storedAgent(world, agent.id);
  const times = history.map(({ createdAt }) => createdAt.getTime());
  expect(history.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
  expect(row).toMatchObject({ name: 'Six', version: 7 });
});

test('updatedAt moves forward even where the stored time lies ahead of the clock', async () => {
  const agent = await newSubject(world);
  await world.sql.query(`UPDATE agent SET updated_at = '2199-01-01T00:00:00Z' WHERE id = $1`, [agent.id]);
  await expectChange(world, agent, { name: 'From the future' }, { name: 'From the future' });
});
