import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { expectRefusal, fullFields, newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const voices = 'ALEX, PETER, MIRIAM, SUE, VIERA, CASANDRA, SILVIA, MICHAEL, LUKE, EMMA, SARAH, EVA';
const languages =
  'UNDEFINED, EN, JA, ZH, DE, HI, FR, KO, PT, IT, ES, ID, NL, TR, FIL, PL, SV, BG, RO, AR, CS, EL, FI, HR, MS, SK, DA, ' +
  'TA, UK, RU, HU, NO, VI';
const uuid = 'must be a UUID: hexadecimal digits as 8-4-4-4-12';
const badCharacters = 'must not hold U+0000 or an unpaired surrogate, in a string or in a key';

/** What each field accepts, in the words of an answer, and whether null clears it. */
const accepts: Readonly<Record<string, { readonly words: string; readonly type: string; readonly nullable?: true }>> = {
  name: { words: 'a string', type: 'string' },
  type: { words: 'one of UNDEFINED, ONLINE, PHONE', type: 'string' },
  focus: { words: 'one of GENERIC, SCREENING, OUTREACH, LANGUAGE_TEST', type: 'string' },
  questions: { words: 'a list', type: 'array' },
  instructions: { words: 'a string or null', type: 'string', nullable: true },
  language: { words: `one of ${languages}`, type: 'string' },
  duration: { words: 'a whole number from 1 to 180', type: 'number' },
  voiceId: { words: `one of ${voices}, null`, type: 'string', nullable: true },
  cefrLevel: { words: 'one of A1, A2, B1, B2, C1, C2, null', type: 'string', nullable: true },
  companyPhoneNumberId: { words: 'a string or null', type: 'string', nullable: true },
  metadata: { words: 'an object', type: 'object' },
  backgroundSound: { words: 'one of OFFICE, OFF, null', type: 'string', nullable: true },
};

const samples = { string: 'text', number: 5, boolean: true, array: ['text'], object: { set: 'text' } };

test.for(Object.entries(accepts))('%s takes no value of another JSON type', async ([field, { words, type }]) => {
  const agent = await newSubject(world, fullFields);
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}`, code: 'wrong_type', detail: `must be ${words}` }];
  for (const [name, value] of Object.entries(samples)) {
    if (name === type) continue;
    const send = () => world.patch(agent.key, agent.id, { [field]: value });
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  }
});

const notClearable = Object.entries(accepts).filter(([, { nullable }]) => !nullable);

test.for(notClearable)('a null %s is refused', async ([field, { words }]) => {
  const agent = await newSubject(world, fullFields);
  const detail = `must not be null, but ${words}`;
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}`, code: 'not_null', detail }];
  const send = () => world.patch(agent.key, agent.id, { [field]: null });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

const enumerations = Object.entries(accepts).filter(([, { words }]) => words.startsWith('one of'));
const nearMisses = ['', 'online', 'en', 'null', ' ONLINE', 'OFFICE ', 'toString'];

test.for(enumerations)('%s takes no other text than its names', async ([field, { words }]) => {
  const agent = await newSubject(world, fullFields);
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}`, code: 'not_allowed', detail: `must be ${words}` }];
  for (const value of nearMisses) {
    const send = () => world.patch(agent.key, agent.id, { [field]: value });
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  }
});

const wordOf = { too_short: 'at least', too_long: 'at most' };
const length = (code: 'too_short' | 'too_long', limit: number) => ({
  code,
  detail: `must have ${wordOf[code]} ${limit} character${limit === 1 ? '' : 's'}`,
  limit,
});
const blank = { code: 'blank', detail: 'must not be only white space' } as const;

/** JSON text of a value, where it is refused, and how. */
const outOfRange: readonly (readonly [string, string, string, Omit<Fault, 'in' | 'pointer'>])[] = [
  ['name', '"a"', '', length('too_short', 2)],
  ['name', '"😀"', '', length('too_short', 2)],
  ['name', `"${'x'.repeat(101)}"`, '', length('too_long', 100)],
  ['name', `"${'😀'.repeat(101)}"`, '', length('too_long', 100)],
  ['name', '"\\t \\u00a0\\u2003\\u0085"', '', blank],
  ['name', '"a\\u0000b"', '', { code: 'bad_characters', detail: badCharacters }],
  ['name', '"ab\\ud800"', '', { code: 'bad_characters', detail: badCharacters }],
  ['questions', `["${'😀'.repeat(2001)}"]`, '/0', length('too_long', 2000)],
  ['questions', '["a","b"," \\n"]', '/2', blank],
  ['questions', '["a\\udc00"]', '/0', { code: 'bad_characters', detail: badCharacters }],
  ['questions', '["a",null]', '/1', { code: 'not_null', detail: 'must not be null, but a string' }],
  ['questions', '["a",["b"]]', '/1', { code: 'wrong_type', detail: 'must be a string' }],
  ['questions', `["a"${',"b"'.repeat(50)}]`, '', { code: 'too_many', detail: 'must have at most 50 items', limit: 50 }],
  ['instructions', `"${'x'.repeat(2001)}"`, '', length('too_long', 2000)],
  ['instructions', `"${'😀'.repeat(2001)}"`, '', length('too_long', 2000)],
  ['instructions', '"\\u0000"', '', { code: 'bad_characters', detail: badCharacters }],
  ['duration', '0', '', { code: 'too_small', detail: 'must be at least 1', limit: 1 }],
  ['duration', '-1', '', { code: 'too_small', detail: 'must be at least 1', limit: 1 }],
  ['duration', '181', '', { code: 'too_large', detail: 'must be at most 180', limit: 180 }],
  ['duration', '9007199254740993', '', { code: 'too_large', detail: 'must be at most 180', limit: 180 }],
  ['duration', '1e400', '', { code: 'wrong_type', detail: 'must be a whole number from 1 to 180' }],
  ['duration', '45.5', '', { code: 'wrong_type', detail: 'must be a whole number from 1 to 180' }],
  ['companyPhoneNumberId', '""', '', { code: 'bad_format', detail: uuid }],
  ['companyPhoneNumberId', '"123e4567e89b12d3a456426614174000"', '', { code: 'bad_format', detail: uuid }],
  ['companyPhoneNumberId', '"{123e4567-e89b-12d3-a456-426614174000}"', '', { code: 'bad_format', detail: uuid }],
  ['companyPhoneNumberId', '"123e4567-e89b-12d3-a456-426614174000\\n"', '', { code: 'bad_format', detail: uuid }],
  ['companyPhoneNumberId', '"urn:uuid:123e4567-e89b-12d3-a456-426614174000"', '', { code: 'bad_format', detail: uuid }],
];

test.for(outOfRange)('%s does not take %s', async ([field, text, place, complaint]) => {
  const agent = await newSubject(world, fullFields);
  const body = `{"name":"Would be fine","${field}":${text}}`.replace(/"name":"Would be fine",(?="name")/, '');
  const errors: Fault[] = [{ in: 'body', pointer: `#/${field}${place}`, ...complaint }];
  await expectRefusal(world, agent.id, () => sendText(world, agent, body), { code: 'VALIDATION_FAILED', errors });
});
