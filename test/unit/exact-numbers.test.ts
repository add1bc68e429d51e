import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExact, stringifyExact } from '../../src/http/exact-numbers.ts';
import { exactSerializer } from '../../src/http/exact-serializer.ts';

test.for([
  '9007199254740993',
  '-9007199254740992',
  `1${'0'.repeat(400)}`,
  '0.123456789012345678901234567890',
  '123456789012345.123456789012345',
  '1.0000000000000000001',
  `0.${'0'.repeat(400)}1`,
])('keeps %s, wherever it stands', (number) => {
  for (const json of [`{"a":${number}}`, `[${number},1]`, `{"a":{"b":[1,${number}]},"c":"${number}"}`]) {
    expect(stringifyExact(parseExact(json))).toBe(json);
  }
});

test('keeps the shortest such number at every place of a long text', () => {
  for (let length = 0; length < 40; length += 1) {
    const json = `{"a":"${'x'.repeat(length)}","b":9007199254740993}`;
    expect(stringifyExact(parseExact(json))).toBe(json);
  }
});

test.for(['9007199254740991', '0.30000000000000004', '1.5000000000000000000', '0.0000000000000001', '1.100'])(
  'reads %s as the number that JavaScript holds',
  (number) =>
    expect(parseExact(`{"a":[${number},"1234567890123456"]}`)).toEqual({ a: [Number(number), '1234567890123456'] }),
);

test('reads all other JSON as JSON.parse does, and writes it as JSON.stringify does', () => {
  const piece = fc.constantFrom('"', '\\', '\\u0000', '"\\u00001', '12345678901234567', ' ', '{', '\n', 'é');
  const text = fc.string({ unit: piece, maxLength: 12 });
  const number = fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true });
  const values = fc.dictionary(text, fc.oneof(text, number, fc.array(number)));
  fc.assert(
    fc.property(values, (value) => {
      const json = JSON.stringify({ ...value, long: '1234567890123456' });
      expect(parseExact(json)).toEqual(JSON.parse(json));
      expect(stringifyExact(parseExact(json))).toBe(json);
    }),
    { numRuns: 1_000 },
  );
});

test('a serializer writes such numbers in answers, and in problems what a client sent', () => {
  const schema = { type: 'object', properties: { value: { type: 'string' } } };
  const written = (httpStatus: string) =>
    exactSerializer({ schema, method: 'GET', url: '/', httpStatus })({ value: '\u000012345678901234567890' });
  expect(written('200')).toBe('{"value":12345678901234567890}');
  expect(written('4xx')).toBe('{"value":"\\u000012345678901234567890"}');
});
