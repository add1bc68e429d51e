import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits, merge, mergeWithinLimits } from '../../src/agents/rules/metadata.ts';
import type { Complaint } from '../../src/http/faults.ts';
import type { Json, JsonObject } from '../../src/http/json.ts';
import { anyMetadata } from '../support/arbitrary-json.ts';
import { mergePatch } from '../support/merge-patch.ts';

/** Stored, patch, result. The first rows are those of RFC 7396, appendix A, whose target and patch are objects. */
const mergeCases: readonly (readonly [JsonObject, JsonObject, JsonObject])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{ a: 1 }, {}, { a: 1 }],
  [{ a: { b: 1 } }, { a: {} }, { a: { b: 1 } }],
  [{ a: 1 }, { a: {} }, { a: {} }],
  [{ a: { b: 1 } }, { a: 2 }, { a: 2 }],
  [{ a: [1, { b: 2 }] }, { a: { b: null } }, { a: {} }],
  [{ a: 1 }, { gone: null, also: { gone: null } }, { a: 1, also: {} }],
  [{ a: 1 }, { a: [null, { b: null }] }, { a: [null, { b: null }] }],
  [{ a: true }, { a: false, b: 0, c: '' }, { a: false, b: 0, c: '' }],
  [{ toString: 1 }, { toString: null }, {}],
  [{}, { constructor: { name: 'x' } }, { constructor: { name: 'x' } }],
  [{}, { toString: null, hasOwnProperty: { a: 1 } }, { hasOwnProperty: { a: 1 } }],
  [
    { '': 1, set: { a: 1 } },
    { '': 2, set: { b: 2 }, toJSON: 'x' },
    { '': 2, set: { a: 1, b: 2 }, toJSON: 'x' },
  ],
];

describe('merge', () => {
  test.for(mergeCases)('%j patched with %j is %j', ([stored, patch, result]) => {
    expect(merge(stored, patch)).toEqual(result);
  });

  test('equals the pseudo code of RFC 7396', () => {
    fc.assert(
      fc.property(anyMetadata, anyMetadata, (stored, patch) => {
        expect(merge(stored, patch)).toEqual(mergePatch(stored, patch));
      }),
    );
  });

  test('does not modify its arguments', () => {
    fc.assert(
      fc.property(anyMetadata, anyMetadata, (stored, patch) => {
        const before = JSON.stringify([stored, patch]);
        merge(stored, patch);
        expect(JSON.stringify([stored, patch])).toBe(before);
      }),
    );
  });

  test('is idempotent', () => {
    fc.assert(
      fc.property(anyMetadata, anyMetadata, (stored, patch) => {
        const once = merge(stored, patch);
        expect(merge(once, patch)).toEqual(once);
      }),
    );
  });
});

const nested = (levels: number): JsonObject => (levels === 1 ? { end: 1 } : { down: nested(levels - 1) });
const keys = (count: number, prefix = 'k'): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, i]));
/** An object of exactly `bytes` bytes of JSON. */
const sized = (bytes: number, fill = 'x'): JsonObject => {
  const room = bytes - Buffer.byteLength('{"a":""}');
  const width = Buffer.byteLength(fill);
  return { a: fill.repeat(Math.floor(room / width)) + 'x'.repeat(room % width) };
};

const bytes = (reached: number): Complaint => ({
  code: 'too_large',
  detail: `must be at most 10240 bytes of JSON once merged, but would be ${reached}`,
  limit: 10_240,
});
const levels = (reached: number): Complaint => ({
  code: 'too_deep',
  detail: `must be at most 5 levels deep once merged, but would be ${reached}`,
  limit: 5,
});
const keyCount = (reached: number): Complaint => ({
  code: 'too_many',
  detail: `must have at most 50 keys at all levels once merged, but would have ${reached}`,
  limit: 50,
});

const toRemove: JsonObject = { a: { b: { c: { d: { e: null } } } } };

interface Limited {
  readonly what: string;
  readonly stored: JsonObject;
  readonly patch: JsonObject;
  readonly complaints: readonly Complaint[];
}

const limited: readonly Limited[] = [
  { what: '10,240 bytes', stored: {}, patch: sized(10_240), complaints: [] },
  { what: '10,241 bytes', stored: {}, patch: sized(10_241), complaints: [bytes(10_241)] },
  { what: '10,240 bytes of é', stored: {}, patch: sized(10_240, 'é'), complaints: [] },
  { what: '10,241 bytes of 😀', stored: {}, patch: sized(10_241, '😀'), complaints: [bytes(10_241)] },
  { what: 'bytes that only the merge exceeds', stored: sized(10_240), patch: { b: 1 }, complaints: [bytes(10_246)] },
  { what: 'large metadata replaced', stored: sized(10_240), patch: { a: 1, b: 'x'.repeat(10_000) }, complaints: [] },
  { what: '5 levels', stored: {}, patch: nested(5), complaints: [] },
  { what: '6 levels', stored: {}, patch: nested(6), complaints: [levels(6)] },
  { what: '5 levels of lists', stored: {}, patch: { a: [[[[1]]]] }, complaints: [] },
  { what: '6 levels of lists', stored: {}, patch: { a: [[[[[]]]]] }, complaints: [levels(6)] },
  { what: 'a removal in level 5', stored: {}, patch: toRemove, complaints: [] },
  { what: 'a removal in level 6', stored: {}, patch: { a: toRemove }, complaints: [levels(6)] },
  { what: '5 levels stored, another 5', stored: nested(5), patch: { down: nested(4) }, complaints: [] },
  { what: '50 keys', stored: {}, patch: keys(50), complaints: [] },
  { what: '51 keys', stored: {}, patch: keys(51), complaints: [keyCount(51)] },
  { what: '50 keys at two levels', stored: {}, patch: { inner: keys(49) }, complaints: [] },
  { what: '51 keys inside lists', stored: {}, patch: { list: [keys(25), keys(25)] }, complaints: [keyCount(51)] },
  { what: 'a 51st key merged', stored: keys(50), patch: { more: 1 }, complaints: [keyCount(51)] },
  { what: 'a removal in a 51st key', stored: keys(50), patch: { more: { gone: null } }, complaints: [keyCount(51)] },
  { what: 'a 51st key for one removed', stored: keys(50), patch: { more: 1, k0: null }, complaints: [] },
  {
    what: '60 removals',
    stored: {},
    patch: Object.fromEntries(Object.keys(keys(60)).map((k) => [k, null])),
    complaints: [],
  },
  {
    what: 'too many bytes and keys',
    stored: keys(50),
    patch: { ...sized(10_240), b: 1 },
    complaints: [bytes(10_676), keyCount(52)],
  },
  { what: 'too many stored keys, unchanged', stored: keys(60), patch: { k0: null, more: 1 }, complaints: [] },
  { what: 'too many stored keys, and one more', stored: keys(60), patch: { more: 1 }, complaints: [keyCount(61)] },
  { what: 'too many stored bytes, and more', stored: sized(11_000), patch: sized(11_001), complaints: [bytes(11_001)] },
  { what: 'too many stored bytes, unchanged', stored: sized(11_000), patch: sized(11_000, 'é'), complaints: [] },
  { what: 'too many stored bytes, fewer afterwards', stored: sized(11_000), patch: sized(10_999), complaints: [] },
  { what: 'too many stored levels, unchanged', stored: nested(7), patch: { side: nested(6) }, complaints: [] },
  {
    what: 'too many stored levels, and one more',
    stored: nested(7),
    patch: { side: nested(7) },
    complaints: [levels(8)],
  },
];

describe('mergeWithinLimits', () => {
  test.for(limited)(
    'a merge with $what has exactly the faults of the limits that it exceeds',
    ({ stored, patch, complaints }) => {
      const outcome = mergeWithinLimits(stored, patch);
      expect(outcome.complaints).toEqual(complaints);
      if (complaints.length === 0) expect(outcome.merged).toEqual(mergePatch(stored, patch));
    },
  );

  test('puts the keys of a result in order also after a patch of many keys', () => {
    const removed = Object.fromEntries(Object.keys(keys(60)).map((key) => [key, null]));
    const added = Object.fromEntries(Object.entries(keys(60, 'n')).toReversed());
    const { merged, complaints } = mergeWithinLimits(keys(60), { ...removed, ...added });
    expect(complaints).toEqual([]);
    expect(Object.entries(merged)).toEqual(Object.entries(keys(60, 'n')));
  });

  test('refuses 100,000 levels before the merge', () => {
    const deep: JsonObject = { a: JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) };
    expect(mergeWithinLimits({}, deep)).toEqual({ merged: {}, complaints: [levels(100_001)] });
  });

  test('accepts exactly the results within the limits or no larger than what was stored', () => {
    const measure = (value: Json): readonly [number, number, number] => {
      if (typeof value !== 'object' || value === null) return [0, 0, 0];
      const inner = Object.values(value).map(measure);
      const own = Array.isArray(value) ? 0 : Object.keys(value).length;
      const deepest = Math.max(0, ...inner.map(([depth]) => depth));
      return [
        deepest + 1,
        inner.reduce((sum, [, count]) => sum + count, own),
        Buffer.byteLength(JSON.stringify(value)),
      ];
    };
    const allowed = [limits.depth, limits.keys, limits.bytes] as const;
    fc.assert(
      fc.property(anyMetadata, anyMetadata, (stored, patch) => {
        const [before, after] = [measure(stored), measure(mergePatch(stored, patch))];
        const fits = after.every((size, i) => size <= Math.max(allowed[i] ?? 0, before[i] ?? 0));
        expect(mergeWithinLimits(stored, patch).complaints.length === 0).toBe(fits);
      }),
    );
  });
});
