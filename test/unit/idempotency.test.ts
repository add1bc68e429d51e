import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprint, readIdempotencyKey } from '../../src/http/idempotency-key.ts';

const longest = 'k'.repeat(255);

test.for([
  ['a', 'a'],
  ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  [longest, longest],
  [`"${longest}"`, longest],
  ['a"b\\c', 'a"b\\c'],
  ['"a\\"b\\\\c"', 'a"b\\c'],
  [`"${'\\"'.repeat(255)}"`, '"'.repeat(255)],
  [`!#$%&'()*+,-./:;<=>?@[]^_\`{|}~`, `!#$%&'()*+,-./:;<=>?@[]^_\`{|}~`],
] as const)('the header %s is the idempotency key %s', ([header, key]) => {
  expect(readIdempotencyKey(header)).toBe(key);
});

test.for([
  '',
  '""',
  '"',
  '"a',
  '"a"b"',
  '"a\\b"',
  '"a\\"',
  'a b',
  '"a b"',
  'ä',
  'a\u007f',
  `${longest}k`,
  `"${longest}k"`,
])('%j is no idempotency key', (header) => {
  expect(readIdempotencyKey(header)).toBeUndefined();
});

test('every key of visible characters is the same key quoted and unquoted, unless it begins with a quote', () => {
  const visible = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(visible, (key) => {
      fc.pre(key.length > 0 && key.length <= 255);
      const quoted = `"${key.replaceAll(/["\\]/g, '\\$&')}"`;
      expect(readIdempotencyKey(quoted)).toBe(key);
      if (!key.startsWith('"')) expect(readIdempotencyKey(key)).toBe(key);
    }),
  );
});

test('requests have the same fingerprint only if method, path, query, If-Match and every byte of the body are equal', () => {
  const body = (text: string) => Buffer.from(text);
  const base = { method: 'PATCH', url: '/agents/1?companyId=2', ifMatch: '"1"', body: body('{"a":1}') };
  const others = [
    { ...base, method: 'POST' },
    { ...base, url: '/agents/2?companyId=2' },
    { ...base, url: '/agents/1?companyId=3' },
    { ...base, url: '/agents/1' },
    { ...base, ifMatch: '"2"' },
    { ...base, ifMatch: undefined },
    { ...base, body: body('{"a": 1}') },
    { ...base, body: undefined },
    { ...base, ifMatch: undefined, body: undefined },
  ];
  expect(fingerprint({ ...base })).toBe(fingerprint(base));
  expect(new Set([base, ...others].map(fingerprint)).size).toBe(others.length + 1);
  expect(fingerprint(base)).toMatch(/^[\w-]{43}$/);
});
