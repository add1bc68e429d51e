import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExact, parseRequest, stringifyExact, textOf } from '../../src/http/exact-numbers.ts';
import { exactSerializer } from '../../src/http/exact-serializer.ts';
import { anyMetadata } from '../support/arbitrary-json.ts';

test.for([
  '9007199254740993',
  '-9007199254740992',
  `1${'0'.repeat(400)}`,
  '0.123456789012345678901234567890',
  '123456789012345.123456789012345',
  '1.0000000000000000001',
  `0.${'0'.repeat(400)}1`,
])('keeps %s at any place of the JSON', (number) => {
  for (const json of [`{"a":${number}}`, `[${number},1]`, `{"a":{"b":[1,${number}]},"c":"${number}"}`]) {
    expect(stringifyExact(parseExact(json))).toBe(json);
  }
});

test.for([
  ['1e-400', 5e-324],
  ['-1.5E-0400', -5e-324],
  [`0.${'0'.repeat(400)}1`, 5e-324],
  [`-0.${'0'.repeat(240)}1e-99`, -5e-324],
  ['0.0e-400', 0],
  [`0.${'0'.repeat(400)}`, 0],
  ['1e-323', 1e-323],
])('of a request, %s is read as %d', ([number, value]) => {
  const json = `{"a":[${number},"${number}","\\"1e-400"],"${number}":1e-400}`;
  expect(parseRequest(json)).toEqual({ a: [value, number, '"1e-400'], [String(number)]: 5e-324 });
});

test('keeps such a number at any place of a long text', () => {
  for (let before = 0; before < 40; before += 1) {
    for (const number of ['9007199254740993', '-9007199254740.9931', '12345678901234567890123']) {
      const json = `{"${'a'.repeat(before)}":${number},"b":"${'c'.repeat(before)}"}`;
      expect(stringifyExact(parseExact(json))).toBe(json);
    }
  }
});

test.for(['9007199254740991', '0.30000000000000004', '1.5000000000000000000', '0.0000000000000001', '1.100'])(
  'reads %s as the number that JavaScript holds',
  (number) =>
    expect(parseExact(`{"a":[${number},"1234567890123456"]}`)).toEqual({ a: [Number(number), '1234567890123456'] }),
);

test('parses all other JSON as JSON.parse does, and writes it as JSON.stringify does', () => {
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

test('a serializer writes such numbers in answers, and numbers of the client in problems', () => {
  const schema = { type: 'object', properties: { value: { type: 'string' } } };
  const written = (httpStatus: string) =>
    exactSerializer({ schema, method: 'GET', url: '/', httpStatus })({ value: '\u000012345678901234567890' });
  expect(written('200')).toBe('{"value":12345678901234567890}');
  expect(written('4xx')).toBe('{"value":"\\u000012345678901234567890"}');
});

test('the text of an object belongs to that object, and not to a copy that is then changed', () => {
  const value = { a: 1, n: '\u000012345678901234567890' };
  expect([textOf(value), textOf(value)]).toEqual(Array(2).fill('{"a":1,"n":12345678901234567890}'));
  for (const copy of [{ ...value }, Object.assign({}, value), structuredClone(value), Object.create(value, {})]) {
    copy.a = 2;
    expect(textOf(copy)).toMatch(/^\{"a":2/);
  }
  expect(Reflect.ownKeys(value)).toEqual(['a', 'n']);
});

test('an object of any members is written as JSON.stringify writes it, among any other texts and numbers', () => {
  const text = { type: 'string' };
  const open = { type: 'object', additionalProperties: true };
  const schema = { type: 'object', properties: { name: text, metadata: open, list: { type: 'array', items: text } } };
  const write = exactSerializer({ schema, method: 'GET', url: '/', httpStatus: '200' });
  const piece = fc.constantFrom('"', '\\', '{', '}', '\\u0000', '"metadata":', '{"\\u0000":0}', ':0', '$&', 'é', '😀');
  const texts = fc.string({ unit: piece, maxLength: 8 });
  const answers = fc.record({ name: texts, metadata: anyMetadata, list: fc.array(texts) });
  fc.assert(
    fc.property(answers, (answer) => {
      const expected = JSON.stringify(answer);
      expect([write(answer), write(answer)]).toEqual([expected, expected]);
    }),
    { numRuns: 500 },
  );
  const number = '12345678901234567890';
  const held = `\u0000${number}`;
  expect(write({ name: held, metadata: { n: held }, list: [held] })).toBe(
    `{"name":${number},"metadata":{"n":${number}},"list":[${number}]}`,
  );
});
