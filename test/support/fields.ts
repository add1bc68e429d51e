import { isDeepStrictEqual } from 'node:util';
import { type AgentContent, type AgentField, agentFields, initialContent, record } from '../../src/agents/fields.ts';
import type { AgentDraft } from '../../src/agents/schema.ts';
import type { Fault } from '../../src/http/faults.ts';

/** A fault without its place. */
type Said = Omit<Fault, 'in' | 'pointer'>;

/** The rules of one field (docs/contract.md#fields). */
interface FieldRow {
  readonly column: string;
  readonly isRequired?: true;
  /** Whether null clears the field; if absent, null is refused. */
  readonly isNullable?: true;
  /** Whether only the history and a header show the field. */
  readonly isHidden?: true;
  /** The value of a new agent that is created without it. */
  readonly initial: unknown;
  /** The value in `fullFields`, not the initial one. Absent if it depends on the company. */
  readonly full?: unknown;
  /** Values that are stored as sent. Each differs from the one before it, and the first from `full`. */
  readonly good: readonly unknown[];
  /** The wording of the answer for what is accepted, and the JSON type of accepted values. */
  readonly words: string;
  readonly jsonType: 'string' | 'number' | 'array' | 'object';
  /** JSON of values of the right type that are refused: where in the field, and the fault. */
  readonly wrong: readonly (readonly [json: string, place: string, said: Said])[];
}

const length = (code: 'too_short' | 'too_long', limit: number): Said => ({
  code,
  detail: `must have at ${code === 'too_short' ? 'least' : 'most'} ${limit} character${limit === 1 ? '' : 's'}`,
  limit,
});
const tooSmall = (limit: number): Said => ({ code: 'too_small', detail: `must be at least ${limit}`, limit });
const tooLarge = (limit: number): Said => ({ code: 'too_large', detail: `must be at most ${limit}`, limit });
const blank: Said = { code: 'blank', detail: 'must not be only white space' };
const badCharacters: Said = {
  code: 'bad_characters',
  detail: 'must not hold U+0000 or an unpaired surrogate, in a string or in a key',
};
const noUuid: Said = { code: 'bad_format', detail: 'must be a UUID: hexadecimal digits as 8-4-4-4-12' };

/** Texts that are in no enumeration. */
const mistaken = ['', 'online', 'en', 'null', ' ONLINE', 'OFFICE ', 'toString'];

/** An enumeration. @param full one of the names, not the first */
function oneOf(names: string, full: string, { isNullable }: { isNullable?: true } = {}) {
  const good = names.split(' ');
  const words = `one of ${[...good, ...(isNullable ? ['null'] : [])].join(', ')}`;
  const said: Said = { code: 'not_allowed', detail: `must be ${words}` };
  const wrong = mistaken.map((text) => {
    const hint = good.includes(text.toUpperCase()) ? `; did you mean ${text.toUpperCase()}?` : '';
    return [JSON.stringify(text), '', { ...said, detail: said.detail + hint }] as const;
  });
  return { full, good, words, wrong, jsonType: 'string' as const, ...(isNullable && { isNullable }) };
}

/** A whole number. @param full not one of the limits */
function whole(least: number, most: number, full: number, { isNullable }: { isNullable?: true } = {}) {
  const words = `a whole number from ${least} to ${most}${isNullable ? ' or null' : ''}`;
  const said: Said = { code: 'wrong_type', detail: `must be ${words}` };
  const wrong = [
    [`${least - 1}`, '', tooSmall(least)],
    ['-1', '', tooSmall(least)],
    [`${most + 1}`, '', tooLarge(most)],
    ['9007199254740993', '', tooLarge(most)],
    ['1e400', '', said],
    [`${full}.5`, '', said],
  ] as const;
  const good = [least, most, full + 1];
  return { full, good, words, wrong, jsonType: 'number' as const, ...(isNullable && { isNullable }) };
}

const clears = { isNullable: true } as const;
const uuid = '123e4567-e89b-12d3-a456-426614174000';
const notUuids = ['', uuid.replaceAll('-', ''), `{${uuid}}`, `${uuid}\n`, `urn:uuid:${uuid}`];

/**
 * The one table of fields in the tests. It is written by hand, so that a mistake in the server's table is found, and
 * every test of all fields derives from it. test/unit/fields.test.ts compares it with the server's.
 */
export const fieldRows: Readonly<Record<AgentField, FieldRow>> = {
  name: {
    ...{ column: 'name', isRequired: true, initial: 'Unnamed agent', full: 'Before' },
    good: ['ab', '😀😀', 'x'.repeat(100), '😀'.repeat(100), '  padded\t', '\u0001\u200b', 'é́'],
    ...{ words: 'a string', jsonType: 'string' },
    wrong: [
      ['"a"', '', length('too_short', 2)],
      ['"😀"', '', length('too_short', 2)],
      [`"${'x'.repeat(101)}"`, '', length('too_long', 100)],
      [`"${'😀'.repeat(101)}"`, '', length('too_long', 100)],
      ['"\\t \\u00a0\\u2003\\u0085"', '', blank],
      ['"a\\u0000b"', '', badCharacters],
      ['"ab\\ud800"', '', badCharacters],
    ],
  },
  type: {
    ...{ column: 'type', isRequired: true, initial: 'UNDEFINED' },
    ...oneOf('UNDEFINED ONLINE PHONE', 'ONLINE'),
    // PHONE needs a phone number and has tests of its own.
    good: ['UNDEFINED', 'ONLINE'],
  },
  focus: {
    ...{ column: 'focus', isRequired: true, initial: 'GENERIC' },
    ...oneOf('GENERIC SCREENING OUTREACH LANGUAGE_TEST', 'SCREENING'),
  },
  questions: {
    ...{ column: 'questions', initial: [], full: ['One?', 'Two?'] },
    good: [[], ['?'], ['😀'.repeat(2000)], [' a '], ['Two?', 'One?'], ['Same', 'Same'], Array(50).fill('Why?')],
    ...{ words: 'a list', jsonType: 'array' },
    wrong: [
      [`["${'😀'.repeat(2001)}"]`, '/0', length('too_long', 2000)],
      ['["a","b"," \\n"]', '/2', blank],
      ['["a\\udc00"]', '/0', badCharacters],
      ['["a",null]', '/1', { code: 'not_null', detail: 'must be a string, not null' }],
      ['["a",["b"]]', '/1', { code: 'wrong_type', detail: 'must be a string' }],
      [`["a"${',"b"'.repeat(50)}]`, '', { code: 'too_many', detail: 'must have at most 50 items', limit: 50 }],
    ],
  },
  instructions: {
    ...{ column: 'instructions', ...clears, initial: null, full: 'Be kind' },
    good: ['', ' ', 'x'.repeat(2000), '😀'.repeat(2000), '<b>"\\\n</b>'],
    ...{ words: 'a string or null', jsonType: 'string' },
    wrong: [
      [`"${'x'.repeat(2001)}"`, '', length('too_long', 2000)],
      [`"${'😀'.repeat(2001)}"`, '', length('too_long', 2000)],
      ['"\\u0000"', '', badCharacters],
    ],
  },
  language: {
    ...{ column: 'language', isRequired: true, initial: 'UNDEFINED' },
    ...oneOf(
      'UNDEFINED EN JA ZH DE HI FR KO PT IT ES ID NL TR FIL PL SV BG RO AR CS EL FI HR MS SK DA TA UK RU HU NO VI',
      'DE',
    ),
  },
  duration: { column: 'duration', isRequired: true, initial: 30, ...whole(1, 180, 45) },
  voiceId: {
    ...{ column: 'voice_id', initial: null },
    ...oneOf('ALEX PETER MIRIAM SUE VIERA CASANDRA SILVIA MICHAEL LUKE EMMA SARAH EVA', 'EVA', clears),
  },
  cefrLevel: { column: 'cefr_level', initial: null, ...oneOf('A1 A2 B1 B2 C1 C2', 'B2', clears) },
  companyPhoneNumberId: {
    ...{ column: 'company_phone_number_id', isHidden: true, ...clears, initial: null },
    // Phone numbers depend on the company and have tests of their own.
    good: [],
    ...{ words: 'a string or null', jsonType: 'string' },
    wrong: notUuids.map((text) => [JSON.stringify(text), '', noUuid] as const),
  },
  metadata: {
    ...{ column: 'metadata', initial: {}, full: { team: 'A', nested: { list: [1, { deep: null }], on: false } } },
    // Metadata is merged and has tests of its own.
    good: [],
    ...{ words: 'an object', jsonType: 'object', wrong: [] },
  },
  backgroundSound: { column: 'background_sound', initial: null, ...oneOf('OFFICE OFF', 'OFF', clears) },
};

/** The rows as an object, by field. */
export const fieldEntries: readonly (readonly [field: string, row: FieldRow])[] = Object.entries(fieldRows);

const namesWhere = (holds: (row: FieldRow) => boolean) =>
  fieldEntries.filter(([, row]) => holds(row)).map(([field]) => field);

export const nullableFields = namesWhere(({ isNullable = false }) => isNullable);
export const requiredFields = namesWhere(({ isRequired = false }) => isRequired);

/** Every field except the phone number, each with a value other than its initial one. */
export const fullFields = record<Partial<AgentDraft>>(
  agentFields.filter((field) => fieldRows[field]?.full !== undefined),
  (field) => fieldRows[field].full,
);

/** For each field a value that `fullFields` does not have. */
export const otherFields = (companyPhoneNumberId: string): Readonly<Record<string, unknown>> => ({
  ...Object.fromEntries(
    fieldEntries.map(([field, { good, full }]) => [field, good.findLast((value) => !isDeepStrictEqual(value, full))]),
  ),
  ...{ companyPhoneNumberId, metadata: { a: 1 } },
});

/** Content with the given fields, and initial values for the others. */
export const contentWith = (fields: Partial<AgentContent>): AgentContent => ({ ...initialContent, ...fields });

/** The fault of an unknown member whose name is close to no known one. */
export const notSettable: Said = {
  code: 'unknown_member',
  detail: `is not known; what can be set is ${agentFields.join(', ')}`,
};
