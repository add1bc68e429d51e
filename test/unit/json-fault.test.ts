import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findJsonFault } from '../../src/http/json-fault.ts';

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Tokens of JSON, and tokens that are often mistaken for JSON, in any order. */
const pieces = fc
  .array(
    fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        ' ',
        '\n',
        '\t',
        '\r',
        '"',
        '"a"',
        '"\\n"',
        '"\\u00e9"',
        '"\\x"',
        '\\',
        '\u0001',
      ],
      ...[
        '0',
        '01',
        '-',
        '-1',
        '1.5',
        '1.',
        '1e',
        '1e5',
        '1E+5',
        '.5',
        '+1',
        'true',
        'false',
        'null',
        'nul',
        'NaN',
        'é',
        '😀',
      ],
      ...['{"a":1}', '[1]', "'a'", '//', '\u2028', '\ufeff', '\ud800'],
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

test('a fault is found exactly in the texts that JSON.parse refuses', () => {
  fc.assert(
    fc.property(fc.oneof(pieces, fc.string(), fc.json()), (text) => {
      expect(findJsonFault(text) === undefined).toBe(isJson(text));
    }),
    { numRuns: 20_000 },
  );
});

test('the text before the fault can be continued to valid JSON', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, place) => {
      const cut = json.slice(0, place % json.length);
      const fault = findJsonFault(`${cut}\u0000`);
      const lines = cut.split('\n');
      // A number may be cut anywhere, because it ends where the next token begins.
      expect(fault).toMatchObject({ line: lines.length, found: expect.stringMatching(/^U\+0000$|^"/) });
    }),
  );
});

test.for([
  ['', 1, 1, 'a value', 'the end of the body'],
  ['{', 1, 2, 'a name in double quotes or }', 'the end of the body'],
  ['[', 1, 2, 'a value or ]', 'the end of the body'],
  ['{"a":1,}', 1, 8, 'a name in double quotes', '"}"'],
  ['[1,]', 1, 4, 'a value', '"]"'],
  ['[1,,2]', 1, 4, 'a value', '","'],
  ['{"a" 1}', 1, 6, 'a colon', '"1"'],
  ['{"a":1 "b":2}', 1, 8, 'a comma or }', 'a double quote'],
  ['[1 2]', 1, 4, 'a comma or ]', '"2"'],
  ['{"a":1]', 1, 7, 'a comma or }', '"]"'],
  ['{"a":}', 1, 6, 'a value', '"}"'],
  ["{'a':1}", 1, 2, 'a name in double quotes or }', '"\'"'],
  ['{a:1}', 1, 2, 'a name in double quotes or }', '"a"'],
  ['{"a":undefined}', 1, 6, 'a value', '"undefined"'],
  ['{"a":True}', 1, 6, 'a value', '"True"'],
  ['{"a":nullable}', 1, 6, 'a value', '"nullable"'],
  ['{"a":NaN}', 1, 6, 'a value', '"NaN"'],
  ['{"a":+1}', 1, 6, 'a value', '"+"'],
  ['{"a":.5}', 1, 6, 'a value', '"."'],
  ['{"a":1.}', 1, 8, 'a digit', '"}"'],
  ['{"a":1e}', 1, 8, 'a digit', '"}"'],
  ['{"a":-}', 1, 7, 'a digit', '"}"'],
  ['{"a":045}', 1, 6, 'a number without a leading zero', '"045"'],
  ['{} {}', 1, 4, 'the end of the body', '"{"'],
  ['{"a":"b', 1, 8, 'the closing quote of a string', 'the end of the body'],
  ['{"a":"\t"}', 1, 7, 'an escape such as \\n or \\u0009 in its place', 'U+0009'],
  ['{"a":"b\nc"}', 1, 8, 'an escape such as \\n or \\u0009 in its place', 'a line break'],
  ['{"a":"\\x"}', 1, 7, 'one of the escapes \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with 4 digits', '"\\"'],
  ['{\n  "a": 1,\n  // b\n}', 3, 3, 'a name in double quotes', '"/"'],
  ['{\r\n  "é😀": x\r\n}', 2, 9, 'a value', '"x"'],
  ['\u00a0{}', 1, 1, 'a value', 'U+00A0'],
  [`{"a":${'x'.repeat(1_000)}`, 1, 6, 'a value', `"${'x'.repeat(20)}"`],
] as const)('%j stops at line %i, column %i: %s, but %s', ([text, line, column, expected, found]) => {
  expect(findJsonFault(text)).toEqual({ line, column, expected, found });
});
