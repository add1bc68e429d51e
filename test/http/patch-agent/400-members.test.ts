import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { fullFields, notSettable } from '../../support/fields.ts';
import { expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const meant = (name: string) => `is not known; did you mean ${name}?`;
const listed = notSettable.detail;
const readOnly = 'is read-only: leave it out';

/** A member that cannot be set, its pointer if that is not obvious, and the detail of its fault. */
const unknown: readonly (readonly [string, string, string?])[] = [
  ['id', readOnly],
  ['createdAt', readOnly],
  ['updatedAt', readOnly],
  ['deletedAt', readOnly],
  ['version', readOnly],
  ['companyId', readOnly],
  ['durration', meant('duration')],
  ['Name', meant('name')],
  ['voice_id', meant('voiceId')],
  ['question', meant('questions')],
  ['backgroundsound', meant('backgroundSound')],
  ['company', listed],
  ['', listed],
  ['constructor', listed],
  ['toString', listed],
  ['hasOwnProperty', listed],
  ['a/b~c', listed, 'a~1b~0c'],
  ['50% off #1 "é"', listed, '50%25%20off%20%231%20%22%C3%A9%22'],
  ['lone \ud800', listed, 'lone%20%EF%BF%BD'],
  ['nul \u0000', listed, 'nul%20%00'],
  ['__proto__', listed],
];

test.for(unknown)(
  'the unknown member "%s" is refused, and the other members are not applied',
  async ([name, detail, pointer]) => {
    const agent = await newSubject(world, fullFields);
    const errors: Fault[] = [{ in: 'body', pointer: `#/${pointer ?? name}`, code: 'unknown_member', detail }];
    const send = () => sendText(world, agent, `{"name":"Must not stick",${JSON.stringify(name)}:null}`);
    await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
  },
);

const badCharacters = 'must not hold U+0000 or an unpaired surrogate, in a string or in a key';
const inexact =
  'must be a number that JavaScript holds exactly: finite, and as an integer within ±(2^53 − 1); send larger ids as strings';
const tooLong = 'must have at most 40 characters when written without an exponent; round it, or send it as a string';
const limits: Partial<Record<Fault['code'], number>> = { too_large: 2 ** 53 - 1, too_long: 40 };
const forbidden = 'must not be a key: __proto__, and prototype inside constructor, are refused';

/** JSON of metadata, its fault, and where it is. */
const metadata: readonly (readonly [string, Fault['code'], string, string])[] = [
  ['{"n":1e400}', 'too_large', inexact, '/n'],
  ['{"n":-1e400}', 'too_large', inexact, '/n'],
  ['{"list":[1,{"n":9007199254740992}]}', 'too_large', inexact, '/list/1/n'],
  ['{"n":-9007199254740993}', 'too_large', inexact, '/n'],
  ['{"n":1e300}', 'too_large', inexact, '/n'],
  ['{"n":5e-324}', 'too_long', tooLong, '/n'],
  ['{"list":[1e-38,{"n":-1.5e-37}]}', 'too_long', tooLong, '/list/1/n'],
  [`{"n":0.${'0'.repeat(38)}10}`, 'too_long', tooLong, '/n'],
  ['{"n":1e-400}', 'too_long', tooLong, '/n'],
  ['{"text":"1e-400","list":[0,-0.1E-00323]}', 'too_long', tooLong, '/list/1'],
  [`{"n":0.${'0'.repeat(400)}1}`, 'too_long', tooLong, '/n'],
  ['{"text":"a\\u0000"}', 'bad_characters', badCharacters, '/text'],
  ['{"text":"a\\ud83d"}', 'bad_characters', badCharacters, '/text'],
  ['{"list":["fine","\\ude00\\ud83d"]}', 'bad_characters', badCharacters, '/list/1'],
  ['{"k\\u0000":1}', 'bad_characters', badCharacters, '/k%00'],
  ['{"k\\ud800":1}', 'bad_characters', badCharacters, '/k%EF%BF%BD'],
  ['{"gone\\u0000":null}', 'bad_characters', badCharacters, '/gone%00'],
  ['{"__proto__":{"isAdmin":true}}', 'not_allowed', forbidden, '/__proto__'],
  ['{"a":[{"__proto__":null}]}', 'not_allowed', forbidden, '/a/0/__proto__'],
  ['{"constructor":{"prototype":{}}}', 'not_allowed', forbidden, '/constructor/prototype'],
  ['{"a~/b":{"constructor":{"x":1,"prototype":null}}}', 'not_allowed', forbidden, '/a~0~1b/constructor/prototype'],
];

test.for(metadata)('metadata refuses %s', async ([text, code, detail, place]) => {
  const agent = await newSubject(world, fullFields);
  const limit = limits[code];
  const errors: Fault[] = [
    { in: 'body', pointer: `#/metadata${place}`, code, detail, ...(limit !== undefined && { limit }) },
  ];
  const send = () => sendText(world, agent, `{"name":"Must not stick","metadata":${text}}`);
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors });
});

const notObjects = [
  ['a list', '[]', 'wrong_type', 'must be an object'],
  ['a text', '"abc"', 'wrong_type', 'must be an object'],
  ['false', 'false', 'wrong_type', 'must be an object'],
  ['a number', '7', 'wrong_type', 'must be an object'],
  ['null', 'null', 'not_null', 'must be an object, not null'],
  ['100,000 lists', '['.repeat(100_000) + ']'.repeat(100_000), 'wrong_type', 'must be an object'],
] as const;

test.for(notObjects)('a body that is %s is refused', async ([, text, code, detail]) => {
  const agent = await newSubject(world);
  const errors: Fault[] = [{ in: 'body', pointer: '#', code, detail }];
  await expectRefusal(world, agent.id, () => sendText(world, agent, text), { code: 'VALIDATION_FAILED', errors });
});
