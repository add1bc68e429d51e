import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type EntityTags,
  entityTag,
  matchesStrongly,
  matchesWeakly,
  parseEntityTags,
} from '../../src/http/entity-tag.ts';

const strong = (value: string) => ({ weak: false, value });
const weak = (value: string) => ({ weak: true, value });

const parsed: readonly (readonly [string, EntityTags | undefined])[] = [
  ['*', '*'],
  [' * ', '*'],
  ['"7"', [strong('7')]],
  ['W/"7"', [weak('7')]],
  ['"a", "b"', [strong('a'), strong('b')]],
  ['"a","b"', [strong('a'), strong('b')]],
  ['"a,b"', [strong('a,b')]],
  ['""', [strong('')]],
  [',, "a" ,\t,', [strong('a')]],
  ['"é"', [strong('é')]],
  ['"\'"', [strong("'")]],
  ['', undefined],
  [' ', undefined],
  [',', undefined],
  ['7', undefined],
  ['"7', undefined],
  ['7"', undefined],
  ['"a" "b"', undefined],
  ['"a b"', undefined],
  ['w/"7"', undefined],
  ['W/7', undefined],
  ['*, "7"', undefined],
  ['"7", *', undefined],
  ['"7"x', undefined],
  ['"\u007f"', undefined],
];

describe('parseEntityTags', () => {
  test.for(parsed)('reads %j', ([text, tags]) => {
    expect(parseEntityTags(text)).toEqual(tags);
  });

  // With quadratic time this would take minutes.
  test('reads 500,000 spaces and commas in one pass', () => {
    for (const filler of [' ', ',', ' ,', ', "a" ']) {
      expect(parseEntityTags(`"a",${filler.repeat(500_000)}x`)).toBeUndefined();
    }
  });

  test('parses every list of tags that it writes', () => {
    const value = fc.string({ unit: fc.constantFrom(...'!#,*/Wa7~ÿ'), maxLength: 5 });
    const tags = fc.array(fc.record({ weak: fc.boolean(), value }), { minLength: 1, maxLength: 5 });
    const comma = fc.constantFrom(',', ', ', ' ,\t', ' , , ');
    fc.assert(
      fc.property(tags, comma, (list, separator) => {
        const text = list.map((tag) => `${tag.weak ? 'W/' : ''}"${tag.value}"`).join(separator);
        expect(parseEntityTags(text)).toEqual(list);
      }),
    );
  });
});

/** A list of tags, and whether version 7 matches it strongly and weakly. */
const matches: readonly (readonly [EntityTags, boolean, boolean])[] = [
  ['*', true, true],
  [[strong('7')], true, true],
  [[weak('7')], false, true],
  [[strong('6'), strong('7')], true, true],
  [[weak('7'), strong('6')], false, true],
  [[strong('07'), strong('7.0'), strong(' 7'), strong('')], false, false],
  [[], false, false],
];

test.for(matches)('version 7 against %j matches strongly: %j, weakly: %j', ([tags, strongly, weakly]) => {
  expect([matchesStrongly(tags, 7), matchesWeakly(tags, 7)]).toEqual([strongly, weakly]);
});

test('the tag of a version matches that version and no other', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (one, other) => {
      const tags = parseEntityTags(entityTag(one)) ?? [];
      expect([matchesStrongly(tags, one), matchesStrongly(tags, other)]).toEqual([true, one === other]);
    }),
  );
});
