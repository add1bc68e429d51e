import { test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { filled, nameOf, nested } from '../../support/costly-bodies.ts';
import { fullFields, notSettable } from '../../support/fields.ts';
import { expectRefusal, newSubject, sendText } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const inMetadata: readonly [string, string] = ['{"metadata":', '}'];
const inList = (item: string) => filled('{"metadata":{"n":[', () => item, ']}}');
const place = (at: number) => `#/metadata/n/${at}`;

const inexact: Omit<Fault, 'in'> = {
  code: 'too_large',
  detail:
    'must be a number that JavaScript holds exactly: finite, and as an integer within ±(2^53 − 1); send larger ids as strings',
  limit: 2 ** 53 - 1,
};
const tooLong: Omit<Fault, 'in'> = {
  code: 'too_long',
  detail: 'must have at most 40 characters when written without an exponent; round it, or send it as a string',
  limit: 40,
};
const badCharacters: Omit<Fault, 'in'> = {
  code: 'bad_characters',
  detail: 'must not hold U+0000 or an unpaired surrogate, in a string or in a key',
};
const forbidden: Omit<Fault, 'in'> = {
  code: 'not_allowed',
  detail: 'must not be a key: __proto__, and prototype inside constructor, are refused',
};
const misspelt: Omit<Fault, 'in'> = {
  code: 'unknown_member',
  detail: 'is not known; did you mean companyPhoneNumberId?',
};

const near = (at: number) => `companyPhoneNumberI_${nameOf(at)}`;

/** Bodies of 256 KiB: the faults of each item, their number, place and text. */
const costly = [
  ['numbers that are not finite', inList('1e999'), place, inexact],
  ['numbers that are too long', inList('5e-324'), place, tooLong],
  ['numbers that JavaScript reads as 0', inList('1e-999'), place, tooLong],
  ['texts with U+0000', inList('"\\u0000"'), place, badCharacters],
  ['unpaired surrogates', inList('"\\udc00"'), place, badCharacters],
  [
    'keys with an unpaired surrogate',
    filled('{"metadata":{', (at) => `"${nameOf(at)}\\ud800":1`, '}}'),
    (at) => `#/metadata/${nameOf(at)}%EF%BF%BD`,
    badCharacters,
  ],
  ['forbidden keys', inList('{"__proto__":1}'), (at) => `#/metadata/n/${at}/__proto__`, forbidden],
  [
    'keys that must not be, inside each other',
    nested('{"constructor":{"prototype":', '1', '}}', inMetadata),
    (at) => `#/metadata${'/constructor/prototype'.repeat(at + 1)}`,
    forbidden,
  ],
  [
    'numbers below 60,000 lists',
    filled(`{"metadata":{"n":${'['.repeat(60_000)}`, () => '1e999', `${']'.repeat(60_000)}}}`),
    () => `#/metadata/n${'/0'.repeat(62)}`,
    inexact,
  ],
  [
    'numbers behind a key of 200,000 characters',
    filled(`{"metadata":{"${'/'.repeat(200_000)}":[`, () => '1e999', ']}}'),
    () => `#/metadata/${'~1'.repeat(992)}%E2%80%A6`,
    inexact,
  ],
  [
    'unknown members',
    filled('{', (at) => `"${nameOf(at)}-unknown":1`, '}'),
    (at) => `#/${nameOf(at)}-unknown`,
    notSettable,
  ],
  [
    'unknown members close to a known one',
    filled('{', (at) => `"${near(at)}":1`, '}'),
    (at) => `#/${near(at)}`,
    misspelt,
  ],
] as const satisfies readonly (readonly [
  string,
  ReturnType<typeof filled>,
  (at: number) => string,
  Omit<Fault, 'in'>,
])[];

test.for(costly)('of a body full of %s the first twenty are listed and all are counted', async (kind) => {
  const [, { text, items }, pointer, fault] = kind;
  const agent = await newSubject(world, fullFields);
  const errors = Array.from({ length: 20 }, (_, at): Fault => ({ in: 'body', pointer: pointer(at), ...fault }));
  const expected = { code: 'VALIDATION_FAILED', errors, count: items } as const;
  await expectRefusal(world, agent.id, () => sendText(world, agent, text), expected);
});

test('if path, query, headers and body together have too many faults, the first twenty are listed and all are counted', async () => {
  const agent = await newSubject(world, fullFields);
  const { text, items } = inList('1e999');
  const names = Array.from({ length: 15 }, (_, at) => `unknown-${at}`);
  const errors: Fault[] = [
    { in: 'path', parameter: 'id', code: 'bad_format', detail: 'must be a UUID: hexadecimal digits as 8-4-4-4-12' },
    ...names.map(
      (parameter): Fault => ({
        in: 'query',
        parameter,
        code: 'unknown_member',
        detail: 'is not known; what can be set is companyId, dryRun',
      }),
    ),
    {
      in: 'header',
      parameter: 'if-match',
      code: 'bad_format',
      detail: 'must be * or a list of entity tags, each in double quotes',
    },
    ...[0, 1, 2].map((at): Fault => ({ in: 'body', pointer: place(at), ...inexact })),
  ];
  const headers = { authorization: `Bearer ${agent.key}`, 'content-type': 'application/json', 'if-match': '7' };
  const path = `/agents/none?${names.join('&')}`;
  const expected = { code: 'VALIDATION_FAILED', instance: '/agents/none', errors, count: 17 + items } as const;
  await expectRefusal(world, agent.id, () => world.send({ path, headers, body: text }), expected);
});

test('of 2,000 unknown parameters in a query the first twenty are listed and all are counted', async () => {
  const agent = await newSubject(world, fullFields);
  const names = Array.from({ length: 2_000 }, (_, at) => `x${nameOf(at)}_`);
  const errors = names.slice(0, 20).map(
    (parameter): Fault => ({
      in: 'query',
      parameter,
      code: 'unknown_member',
      detail: 'is not known; what can be set is companyId, dryRun',
    }),
  );
  const send = () => world.patch(agent.key, agent.id, {}, { query: `?${names.join('&')}` });
  await expectRefusal(world, agent.id, send, { code: 'VALIDATION_FAILED', errors, count: names.length });
});
