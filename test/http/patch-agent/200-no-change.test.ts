import { test } from 'vitest';
import { fullFields, nullableFields } from '../../support/fields.ts';
import { expectChange, expectNoChange, newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const same: readonly (readonly [string, unknown])[] = [
  ['an empty patch', {}],
  ['all fields as they are', fullFields],
  ...Object.entries(fullFields).map(([field, value]) => [`the same ${field}`, { [field]: value }] as const),
  ['empty metadata', { metadata: {} }],
  ['empty metadata inside metadata', { metadata: { nested: {} } }],
  ['metadata with its keys in another order', { metadata: { nested: { on: false, list: [1, { deep: null }] } } }],
  [
    'the removal of metadata keys that are not there, in objects that are',
    { metadata: { gone: null, nested: { gone: null } } },
  ],
];

test.for(same)('%s changes nothing: version, updatedAt and history stay', async ([, body]) => {
  const agent = await newSubject(world, fullFields);
  await expectNoChange(world, agent, body);
});

test.for(nullableFields)('a null %s that is not set changes nothing', async (field) => {
  const agent = await newSubject(world);
  await expectNoChange(world, agent, { [field]: null });
});

test('an empty list of questions changes nothing if there are none', async () => {
  const agent = await newSubject(world);
  await expectNoChange(world, agent, { questions: [] });
});

test('the stored phone number id in upper case changes nothing', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await expectChange(world, agent, { companyPhoneNumberId: number }, { companyPhoneNumberId: number });
  await expectNoChange(world, agent, { companyPhoneNumberId: number.toUpperCase() });
});

test('the stored questions in another order are a change', async () => {
  const agent = await newSubject(world, fullFields);
  await expectChange(world, agent, { questions: ['Two?', 'One?'] }, { questions: ['Two?', 'One?'] });
});
