import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equal, isObject, type Json, plainLength, unstorable } from '../../src/http/json.ts';
import { anyJson } from '../support/arbitrary-json.ts';
import { plainNumber } from '../support/plain-number.ts';

/** Canonical JSON: keys in order, without the sign of zero. Two values are equal if it is. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value === 0 ? 0 : value);
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`);
  return `{${members.toSorted().join()}}`;
}

/** A copy whose objects have their keys in reverse order. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, reversed(inner)] as const)
      .toReversed(),
  );
}

const pairs: readonly (readonly [Json, Json, boolean])[] = [
  [0, -0, true],
  [1, 1.0, true],
  ['1', 1, false],
  [null, {}, false],
  [[], {}, false],
  [{}, [], false],
  [{ 0: 1 }, [1], false],
  [[1, 2], [2, 1], false],
  [[1], [1, null], false],
  [[null], [], false],
  [{ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }, true],
  [{ a: null }, {}, false],
  [{ a: null }, { b: null }, false],
  [{ toString: null }, { valueOf: null }, false],
  ['é', 'e\u0301', false],
  [false, null, false],
];

describe('equal', () => {
  test.for(pairs)('of %j and %j is %j', ([a, b, result]) => {
    expect([equal(a, b), equal(b, a)]).toEqual([result, result]);
  });

  test('is true exactly for values with the same canonical JSON', () => {
    fc.assert(fc.property(anyJson, anyJson, (a, b) => equal(a, b) === (canonical(a) === canonical(b))));
  });

  test('is true for a value and a copy with its keys in reverse order', () => {
    fc.assert(fc.property(anyJson, (value) => equal(value, reversed(value))));
  });
});

/** Values that cannot be stored, each with its path from where it is placed. */
const faults: readonly (readonly [string, unknown, readonly string[], string])[] = [
  ['U+0000', 'a\u0000', [], 'bad_characters'],
  ['a high surrogate', 'a\ud800', [], 'bad_characters'],
  ['a low surrogate', '\udc00a', [], 'bad_characters'],
  ['surrogates in reverse order', '\udc00\ud800', [], 'bad_characters'],
  ['Infinity', Number.POSITIVE_INFINITY, [], 'too_large'],
  ['-Infinity', Number.NEGATIVE_INFINITY, [], 'too_large'],
  ['2^53', 2 ** 53, [], 'too_large'],
  ['-2^53', -(2 ** 53), [], 'too_large'],
  ['1e300', 1e300, [], 'too_large'],
  ['the smallest number', 5e-324, [], 'too_long'],
  ['a number of 41 characters', 1e-39, [], 'too_long'],
  ['a negative number of 41 characters', -1e-38, [], 'too_long'],
  ['a key with U+0000', { 'k\u0000': 1 }, ['k\u0000'], 'bad_characters'],
  ['a key with a surrogate', { '\ud83d': 1 }, ['\ud83d'], 'bad_characters'],
  ['the key __proto__', JSON.parse('{"__proto__":1}'), ['__proto__'], 'not_allowed'],
  ['prototype inside constructor', { constructor: { prototype: 1 } }, ['constructor', 'prototype'], 'not_allowed'],
];

describe('unstorable', () => {
  test.for(faults)('finds %s, wherever it is placed', ([, fault, place, code]) => {
    const keys = fc.array(fc.constantFrom('a', 'b', 'prototype', 0, 1), { maxLength: 6 });
    fc.assert(
      fc.property(anyJson, keys, (beside, path) => {
        const planted = path.reduceRight<unknown>(
          (inner, key) =>
            typeof key === 'number' ? Array(key).fill(beside).concat([inner]) : { [key]: inner, beside },
          fault,
        );
        const found = unstorable(planted).first.map((one) => ({ path: one.path, code: one.complaint.code }));
        expect(found).toEqual([{ path: [...path, ...place], code }]);
      }),
      { numRuns: 30 },
    );
  });

  test('finds every one of several faults, in order', () => {
    const value = { a: '\u0000', b: [Number.POSITIVE_INFINITY, { c: 2 ** 60 }], 'd\ud800': '\udc00' };
    expect(unstorable(value).first.map(({ path }) => path)).toEqual([['a'], ['b', 0], ['b', 1, 'c'], ['d\ud800']]);
  });

  // With quadratic paths this would exceed the memory.
  test('finds 100,000 nested faults, each with one more step', () => {
    const deep: unknown = JSON.parse(`${'{"__proto__":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
    const found = unstorable(deep);
    expect(found.count).toBe(100_000);
    expect(found.first.map(({ path }) => path)).toEqual(
      Array.from({ length: 20 }, (_, at) => Array(at + 1).fill('__proto__')),
    );
  });

  test('finds nothing in values that can be stored', () => {
    fc.assert(fc.property(anyJson, (value) => unstorable(value).count === 0));
    const plain = { constructor: 'x', prototype: { a: 1 }, toJSON: 1, $type: '', set: {}, '': null };
    const numbers = [2 ** 53 - 1, -(2 ** 53) + 1, 0.1, 1e-38, -0];
    expect(unstorable([plain, numbers, '😀', '\u0001\uffff'])).toEqual({ first: [], count: 0 });
  });

  test('lists the first 20 of 50,000 faults of several kinds, each with its own place, and counts all', () => {
    const kinds = [Number.POSITIVE_INFINITY, '\ud800', 5e-324, { '\u0000': 1 }, JSON.parse('{"__proto__":1}')];
    const found = unstorable(Array.from({ length: 50_000 }, (_, at) => kinds[at % kinds.length]));
    const codes = ['too_large', 'bad_characters', 'too_long', 'bad_characters', 'not_allowed'];
    const listed = Array.from({ length: 20 }, (_, at) => [codes[at % codes.length], at]);
    expect(found.count).toBe(50_000);
    expect(found.first.map(({ path, complaint }) => [complaint.code, path[0]])).toEqual(listed);
  });

  test('reports a number as too long exactly if it has more than 40 characters without an exponent', () => {
    const exponent = fc.integer({ min: -50, max: -6 });
    const small = fc
      .tuple(fc.integer({ min: -(2 ** 53), max: 2 ** 53 }), exponent)
      .map(([n, e]) => Number(`${n}e${e}`));
    fc.assert(
      fc.property(fc.oneof(small, finite), (number) => {
        const isInexact = Number.isInteger(number) && !Number.isSafeInteger(number);
        const { first } = unstorable([number]);
        const expected = isInexact ? ['too_large'] : plainNumber(number).length > 40 ? ['too_long'] : [];
        expect(first.map(({ complaint }) => complaint.code)).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test('handles 100,000 nested lists', () => {
    const deepest = (value: string): unknown => JSON.parse('['.repeat(100_000) + value + ']'.repeat(100_000));
    expect(unstorable(deepest('1'))).toEqual({ first: [], count: 0 });
    expect(unstorable(deepest('1e300'))).toEqual({
      // The path ends at level 64.
      first: [{ path: Array(63).fill(0), complaint: expect.objectContaining({ code: 'too_large' }) }],
      count: 1,
    });
  });
});

const finite = fc.double({ noDefaultInfinity: true, noNaN: true });

const lengths: readonly (readonly [number, number])[] = [
  [0, 1],
  [-0, 1],
  [-1.5, 4],
  [1e-6, 8],
  [1e-7, 9],
  [1.5e-7, 10],
  [-1e-37, 40],
  [1e-38, 40],
  [5e-324, 326],
  [1e20, 21],
  [1e21, 22],
  [-Number.MAX_VALUE, 310],
];

describe('plainLength', () => {
  test.for(lengths)('of %d is %d', ([number, length]) => {
    expect(plainLength(number)).toBe(length);
  });

  test('is the length of the number with its point moved, which has the same value', () => {
    const check = (number: number) => {
      expect(Number(plainNumber(number))).toBe(number + 0);
      expect(plainLength(number)).toBe(plainNumber(number).length);
    };
    fc.assert(fc.property(finite, check), { numRuns: 5_000 });
  });
});
