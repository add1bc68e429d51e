import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AgentContent, type AgentField, agentFields, record, type Value } from '../../src/agents/fields.ts';
import { applyPatch, newContent, type Patched, restored } from '../../src/agents/rules/patch.ts';
import type { AgentPatch } from '../../src/agents/schema.ts';
import type { Fault } from '../../src/http/faults.ts';
import { equal } from '../../src/http/json.ts';
import { anyMetadata } from '../support/arbitrary-json.ts';
import { contentWith, fieldRows, fullFields } from '../support/fields.ts';
import { mergePatch } from '../support/merge-patch.ts';

const number = '0c1a8f0e-5d0e-4f6c-8a37-2f5f3f1f7c22';
const another = '5b0f7c0e-0c53-4d0b-9a53-0f8f2c9f7a11';

/** Every field has a value, so that each can be cleared or replaced. */
const agent = contentWith({ ...fullFields, companyPhoneNumberId: number });
const phone: AgentContent = { ...agent, type: 'PHONE' };

const notFound: Fault = {
  in: 'body',
  pointer: '#/companyPhoneNumberId',
  code: 'not_found',
  detail:
    'must be the id of an active phone number of the company: GET /phone-numbers lists them; ' +
    'a patch without it and type PHONE keeps the stored number',
};
const notNull: Fault = {
  in: 'body',
  pointer: '#/companyPhoneNumberId',
  code: 'not_null',
  detail:
    'must be the id of an active phone number, not null, while type is PHONE; or set another type in the same request',
};
const tooDeep: Fault = {
  in: 'body',
  pointer: '#/metadata',
  code: 'too_deep',
  detail: 'must be at most 5 levels deep once merged, but would be 6',
  limit: 5,
};
const sixLevels = { a: { b: { c: { d: { e: {} } } } } };

/** A patch of any fields: to other values, to the stored value, or to null. */
const anyPatch = fc.record(record<{ [Name in AgentField]: fc.Arbitrary<Value<Name>> }>(agentFields, anyValueOf), {
  requiredKeys: [],
});

function anyValueOf(field: AgentField): fc.Arbitrary<unknown> {
  if (field === 'metadata') return fc.oneof(fc.constant(agent.metadata), anyMetadata);
  const { good = [], isNullable = false } = fieldRows[field] ?? {};
  const others = field === 'companyPhoneNumberId' ? [another] : good;
  return fc.constantFrom(agent[field], ...others, ...(isNullable ? [null] : []));
}

describe('applyPatch', () => {
  test('keeps absent fields, clears null ones, replaces the others, merges metadata, and lists the changed fields', () => {
    fc.assert(
      fc.property(anyPatch, (patch) => {
        const { content, changedFields, faults } = applyPatch(agent, patch, true);
        fc.pre(faults.length === 0);
        const merged = mergePatch(agent.metadata, patch.metadata ?? {});
        expect(content).toEqual({ ...agent, ...patch, metadata: merged });
        expect(changedFields).toEqual(agentFields.filter((field) => !equal(agent[field], content[field])));
      }),
    );
  });

  test('changes nothing if the patch is empty', () => {
    expect(applyPatch(agent, {}, false)).toEqual({ content: agent, changedFields: [], faults: [] });
  });

  test('treats a phone number id in upper case as equal to the one in lower case', () => {
    const patch = { companyPhoneNumberId: number.toUpperCase() };
    expect(applyPatch(agent, patch, true)).toEqual({ content: agent, changedFields: [], faults: [] });
    expect(applyPatch(agent, { companyPhoneNumberId: another.toUpperCase() }, true)).toEqual({
      content: { ...agent, companyPhoneNumberId: another },
      changedFields: ['companyPhoneNumberId'],
      faults: [],
    });
  });

  test.for<[string, AgentContent, AgentPatch, boolean, Patched['faults']]>([
    ['an active number', agent, { companyPhoneNumberId: another }, true, []],
    ['an inactive number', agent, { companyPhoneNumberId: another }, false, [notFound]],
    ['the stored number, now inactive', phone, { companyPhoneNumberId: number }, false, [notFound]],
    ['no number, with an inactive stored one', phone, { duration: 45 }, false, []],
    ['PHONE with an active number', agent, { type: 'PHONE', companyPhoneNumberId: another }, true, []],
    ['null for the number of a phone agent', phone, { companyPhoneNumberId: null }, true, [notNull]],
    ['null and PHONE', agent, { type: 'PHONE', companyPhoneNumberId: null }, false, [notNull]],
    ['null and another type', phone, { type: 'ONLINE', companyPhoneNumberId: null }, false, []],
    ['null for the number of another agent', agent, { companyPhoneNumberId: null }, false, []],
    ['metadata over a limit', agent, { metadata: sixLevels }, true, [tooDeep]],
    [
      'a number and metadata, both wrong',
      agent,
      { companyPhoneNumberId: another, metadata: sixLevels },
      false,
      [notFound, tooDeep],
    ],
  ])('reports the faults of %s', ([, before, patch, numberIsActive, faults]) => {
    expect(applyPatch(before, patch, numberIsActive).faults).toEqual(faults);
  });
});

describe('newContent', () => {
  const draft = { name: 'New', type: 'ONLINE', focus: 'GENERIC', language: 'DE', duration: 15 } as const;
  const blank = contentWith(draft);

  test('leaves fields empty that the draft does not have', () => {
    expect(newContent(draft, false)).toMatchObject({ content: blank, faults: [] });
  });

  test('takes the values of the draft, without nulls in its metadata', () => {
    const given = { questions: ['Why?'], voiceId: 'EVA', metadata: { a: null, b: 1 } } as const;
    expect(newContent({ ...draft, ...given, questions: ['Why?'] }, false)).toMatchObject({
      content: { ...blank, questions: ['Why?'], voiceId: 'EVA', metadata: { b: 1 } },
      faults: [],
    });
  });

  test('refuses an inactive phone number', () => {
    expect(newContent({ ...draft, type: 'PHONE', companyPhoneNumberId: number }, false).faults).toEqual([notFound]);
  });
});

describe('restored', () => {
  const byPatch = 'send the fields that you want of this version by PATCH instead';
  const gone: Fault = {
    ...notFound,
    detail: `must be an active phone number of the company, which that of this version no longer is: ${byPatch}`,
  };
  const deep: Fault = {
    ...tooDeep,
    detail: `must be at most 5 levels deep once restored, but would be 6: ${byPatch}`,
  };
  const old: AgentContent = { ...agent, name: 'Old', type: 'A type of yesterday', metadata: { old: true } };

  test('takes the whole content without merging, and lists the changed fields', () => {
    expect(restored(agent, old, false)).toEqual({
      content: old,
      changedFields: ['name', 'type', 'metadata'],
      faults: [],
    });
  });

  test.for<[string, AgentContent, boolean, Patched['faults']]>([
    ['another active number', { ...old, companyPhoneNumberId: another }, true, []],
    ['another inactive number', { ...old, companyPhoneNumberId: another }, false, [gone]],
    ['the agent’s own number, now inactive', old, false, []],
    ['no number', { ...old, companyPhoneNumberId: null }, false, []],
    ['metadata over a limit', { ...old, metadata: sixLevels }, true, [deep]],
    [
      'a number and metadata, both wrong',
      { ...old, companyPhoneNumberId: another, metadata: sixLevels },
      false,
      [gone, deep],
    ],
  ])('reports the faults of %s', ([, content, numberIsActive, faults]) => {
    expect(restored(agent, content, numberIsActive).faults).toEqual(faults);
  });

  test('allows metadata over a limit if the stored metadata is as large', () => {
    const before = { ...agent, metadata: { z: sixLevels } };
    expect(restored(before, { ...old, metadata: sixLevels }, false).faults).toEqual([]);
  });
});
