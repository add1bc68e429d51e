import { expect, test } from 'vitest';
import { agentFields } from '../../../src/agents/fields.ts';
import { readDocument } from '../../support/document.ts';
import { fieldRows, otherFields } from '../../support/fields.ts';
import { expectChange, expectNoChange, expectRefusal, fullAgent, newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld({ docs: false });
const served = await world.send({ method: 'GET', path: '/openapi.json' });
const document = readDocument(served.text);
const description = document.paths['/agents/{id}']?.['patch']?.description ?? '';

/** The rows of the table that begins with the given heading in the description of PATCH. */
function rowsUnder(heading: string): string[][] {
  const [, table = ''] = description.split(`| ${heading} |`);
  const [, , ...lines] = table.split('\n\n', 1)[0]?.split('\n') ?? [];
  return lines.map((line) => line.slice(2, -2).split(' | '));
}

const states = rowsUnder('field').map(([field = '', absent, ofNull, value]) => ({
  ...{ field: field.replaceAll('`', ''), absent, ofNull, value },
}));

test('the table of field states has a row for each field', () => {
  expect(states.map(({ field }) => field)).toEqual(agentFields);
});

// test/unit/fields.test.ts checks that every field has a row.
const known = states.filter(({ field }) => field in fieldRows);

test.for(known)('the description holds for $field, absent: $absent', async ({ field, absent }) => {
  expect(absent).toBe('keeps');
  const agent = await fullAgent(world);
  await expectNoChange(world, agent, {});
  const [other, value] = field === 'name' ? ['duration', 46] : ['name', 'After'];
  await expectChange(world, agent, { [other]: value }, { [other]: value });
});

test.for(known)('the description holds for $field, null: $ofNull', async ({ field, ofNull }) => {
  const agent = await fullAgent(world);
  const refused = { in: 'body', pointer: `#/${field}`, code: 'not_null', detail: expect.any(String) } as const;
  const refuse = (body: object) =>
    expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, body), {
      ...{ code: 'VALIDATION_FAILED', errors: [refused], detail: expect.any(String) },
    });
  if (ofNull === '400') {
    await refuse({ [field]: null });
    return;
  }
  expect(ofNull).toMatch(/^clears/);
  if (ofNull?.endsWith('400 where the agent would be `PHONE`')) {
    await refuse({ type: 'PHONE', [field]: null });
    await world.patch(agent.key, agent.id, { type: 'PHONE', [field]: await world.phoneNumber(agent.companyId) });
    await refuse({ [field]: null });
    await world.patch(agent.key, agent.id, { type: 'ONLINE' });
  }
  await expectChange(world, agent, { [field]: null }, { [field]: null });
});

test.for(known)('the description holds for $field, a value: $value', async ({ field, value }) => {
  const agent = await fullAgent(world);
  if (value === 'is merged') {
    const merged = { team: 'A', nested: { list: [2], on: false } };
    await expectChange(world, agent, { [field]: { nested: { list: [2] } } }, { [field]: merged });
    return;
  }
  expect(value).toMatch(/^replaces/);
  const set = otherFields(await world.phoneNumber(agent.companyId))[field];
  await expectChange(world, agent, { [field]: set }, { [field]: set });
  if (value !== 'replaces; `PHONE` only together with `companyPhoneNumberId`') return;
  const errors = [
    { in: 'body', pointer: '#/companyPhoneNumberId', code: 'required', detail: expect.any(String) },
  ] as const;
  await expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, { type: 'PHONE' }), {
    ...{ code: 'VALIDATION_FAILED', errors, detail: expect.any(String) },
  });
  const companyPhoneNumberId = await world.phoneNumber(agent.companyId);
  const phone = { type: 'PHONE', companyPhoneNumberId };
  await expectChange(world, agent, phone, phone);
});

const merges = rowsUnder('stored').map((row) => row.map((cell) => JSON.parse(cell.replaceAll('`', ''))));

test('the table of metadata merges has rows', () => {
  expect(merges.length).toBeGreaterThan(5);
});

test.for(merges)('metadata %j patched with %j becomes %j, as the description says', async ([stored, sent, then]) => {
  const agent = await newSubject(world, { metadata: stored });
  if (JSON.stringify(stored) === JSON.stringify(then)) await expectNoChange(world, agent, { metadata: sent });
  else await expectChange(world, agent, { metadata: sent }, { metadata: then });
});

const said = /has at most (\d+) bytes as JSON in UTF-8, (\d+) levels.* and (\d+) keys/.exec(description);
const [bytes = 0, depth = 0, keys = 0] = said?.slice(1).map(Number) ?? [];

const text = (length: number) => ({ text: 'x'.repeat(length - '{"text":""}'.length) });
const nested = (levels: number): object => (levels === 1 ? {} : { deeper: nested(levels - 1) });
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]));

/** Metadata at the limit of the description, and metadata that exceeds it by one. */
const measures: readonly (readonly [string, object, object])[] = [
  ['bytes', text(bytes), text(bytes + 1)],
  ['levels', nested(depth), nested(depth + 1)],
  ['keys', many(keys), many(keys + 1)],
];

test.for(measures)(
  'metadata may reach the limit of %s that the description states, and not exceed it',
  async ([, most, more]) => {
    const agent = await newSubject(world);
    const errors = [expect.objectContaining({ pointer: '#/metadata', limit: expect.any(Number) })];
    await expectRefusal(world, agent.id, () => world.patch(agent.key, agent.id, { metadata: more }), {
      ...{ code: 'VALIDATION_FAILED', errors, detail: expect.any(String) },
    });
    await expectChange(world, agent, { metadata: most }, { metadata: most });
  },
);
