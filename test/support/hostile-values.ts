import fc from 'fast-check';

/** Texts that are known to cause errors in servers. */
const texts = [
  '',
  ' ',
  'null',
  'NaN',
  '1e309',
  "' OR 1=1 --",
  "Robert'); DROP TABLE agent; --",
  '$1',
  '\\',
  '"',
  '%',
  '%00',
  '%2e%2e%2f',
  '../../etc/passwd',
  '$(reboot)',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'a\u0000b',
  '\u0000',
  'a\ud800',
  '\udc00\ud800',
  '\ufeffa',
  '\u202eabc',
  '\u2028\u2029',
  'e\u0301\u0302\u0303',
  '👩‍👩‍👧‍👦',
  'ﷺ',
  'İı',
  '\u{10ffff}',
  '\uffff\ufffe',
  'a\r\nX-Injected: 1',
  '\u001b[31m',
  '#/a~1b',
] as const;

/** Hostile texts, some of them long. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...texts) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('x'.repeat(2_001), 'é'.repeat(5_000), '\u0000'.repeat(1_000), 'x'.repeat(20_000)),
  },
);

const lists = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
const objects = (depth: number, key: string) =>
  JSON.parse(`{${JSON.stringify(key)}:`.repeat(depth) + 0 + '}'.repeat(depth));

/** Deeply nested values. */
export const deepValue: fc.Arbitrary<unknown> = fc
  .tuple(
    fc.constantFrom(2, 5, 6, 64, 65, 2_000),
    fc.constantFrom('[]', 'a', '', '__proto__', 'a/b~c', '\u0000', 'metadata'),
  )
  .map(([depth, key]) => (key === '[]' ? lists(depth) : objects(depth, key)));

/** Deep values, and values with names of inherited members. */
export const nestedValue: fc.Arbitrary<unknown> = fc.oneof(
  deepValue,
  fc.constantFrom<unknown>(
    JSON.parse('{"__proto__":{"isAdmin":true}}'),
    { constructor: { prototype: { isAdmin: true } } },
    { constructor: { a: { prototype: 1 } } },
    { toJSON: 'x', valueOf: 1, hasOwnProperty: {} },
    { $where: '1', $type: 'x', set: { a: 1 } },
    { '': { '': { '': '' } } },
    [null, [null, [null]]],
    [{}, [], [{}]],
    Array(200).fill(null),
  ),
  fc.jsonValue({ maxDepth: 4 }),
);

const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]));

/** Values around the limits of 10,240 bytes, 5 levels and 50 keys. */
export const pastMetadata = fc.constantFrom<unknown>(
  { t: 'x'.repeat(10_240 - 8) },
  { t: 'x'.repeat(10_240 - 7) },
  { t: 'é'.repeat(5_117) },
  keys(50),
  keys(51),
  { a: { b: { c: { d: { e: 1 } } } } },
  { a: { b: { c: { d: { e: {} } } } } },
  { a: [[[[]]]] },
  { a: [[[[[]]]]] },
  { n: 2 ** 53 },
  null,
);
