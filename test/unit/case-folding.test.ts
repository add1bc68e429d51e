import { expect, test } from 'vitest';
import { expandingInto, foldCase, variantsOf } from '../../src/agents/rules/case-folding.ts';

const everyLetter = Array.from({ length: 0x11_0000 }, (_, code) => String.fromCodePoint(code)).filter((letter) =>
  letter.isWellFormed(),
);
const cased = everyLetter.filter((letter) => foldCase(letter) !== letter);

test.for([
  ['Straße', 'strasse'],
  ['STRASSE', 'strasse'],
  ['GROẞ', 'gross'],
  ['ΟΔΟΣ', 'οδοσ'],
  ['οδος', 'οδοσ'],
  ['ISTANBUL', 'istanbul'],
  ['İSTANBUL', 'istanbul'],
  ['ısparta', 'isparta'],
  ['İSTANBUL'.toLowerCase(), 'istanbul'],
  ['I\u0307 ı\u0307 İ\u0307\u0307 \ufb01\u0307 x\u0307 \u0307i', 'i i i fi x\u0307 \u0307i'],
  ['ﬁnance', 'finance'],
  ['\u0149 \u01f0 \u0390 և ﬃ ᾳ ᾼ', '\u02bcn j\u030c \u03b9\u0308\u0301 եւ ffi αι αι'],
  ['\u212a \u212b \u2126 µ ſ ϴ ẛ \u0345', 'k å ω μ s θ ṡ ι'],
  ['ⴀ Ⴀ ა Ა Ꭰ ꭰ 𐐀 𞤀', 'ⴀ ⴀ ა ა ꭰ ꭰ 𐐨 𞤢'],
  ['漢字 %_\\[.*', '漢字 %_\\[.*'],
] as const)('%s folds to %s', ([text, folded]) => {
  expect(foldCase(text)).toBe(folded);
});

test('folding is idempotent', () => {
  expect(cased.length).toBeGreaterThan(1_400);
  expect(cased.filter((letter) => foldCase(foldCase(letter)) !== foldCase(letter))).toEqual([]);
});

test('letters that fold to the same one are equal in regular expressions with the i flag, except for the letter i', () => {
  const simple = cased.filter((letter) => [...foldCase(letter)].length === 1 && foldCase(letter) !== 'i');
  const differ = simple.filter((letter) => {
    const code = foldCase(letter).codePointAt(0)?.toString(16);
    return !new RegExp(`^\\u{${code}}$`, 'iu').test(letter);
  });
  expect(differ).toEqual([]);
});

test('the variants of a letter and the letters that expand are exactly those of the folding', () => {
  for (const letter of cased) {
    const folded = foldCase(letter);
    if ([...folded].length === 1) expect(variantsOf(folded)).toContain(letter);
    else expect(expandingInto(folded)).toContainEqual([letter, folded]);
    for (const variant of variantsOf(folded)) expect(foldCase(variant)).toBe(folded);
  }
  expect(variantsOf('漢')).toEqual(['漢']);
  expect(expandingInto('漢q')).toEqual([]);
});
