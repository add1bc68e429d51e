/** Letters that count as one although Unicode's case folding keeps them apart. */
const dotless = new Set('iIıİ');

/**
 * A text by Unicode's full case folding (Unicode 3.13, D144), by which texts are compared without regard to case: `ß` and
 * `SS` are `ss`, `Σ` and `ς` are `σ`. `i`, `I`, `ı` and `İ` are one letter, with or without dots above (U+0307) behind it:
 * Unicode folds `İ` to `i` and U+0307. Otherwise each code point by itself, in no locale.
 */
export const foldCase = (text: string): string =>
  [...text]
    .map(foldLetter)
    .join('')
    .replaceAll(/i\u0307+/g, 'i');

// Lower case first: the capital `ẞ` is its own upper case, and only its lower case `ß` becomes `SS`.
const foldLetter = (letter: string): string =>
  dotless.has(letter) ? 'i' : letter.toLowerCase().toUpperCase().toLowerCase();

/** The last code point that has a case is before the ideographs of the second plane. */
const end = 0x2_0000;

const cased = Array.from({ length: end }, (_, code) => String.fromCodePoint(code))
  .join('')
  .match(/\p{Changes_When_Casemapped}/gu)
  ?.map((letter) => [letter, foldLetter(letter)] as const);

const variants = new Map<string, readonly string[]>();
const expanding = new Map<string, string>();
for (const [letter, folded] of cased ?? []) {
  if (letter === folded) continue;
  if ([...folded].length > 1) expanding.set(letter, folded);
  else variants.set(folded, [...(variants.get(folded) ?? [folded]), letter]);
}

/** The letters that are folded to one letter, which is the first of them. */
export const variantsOf = (folded: string): readonly string[] => variants.get(folded) ?? [folded];

/** The letters that are folded to several letters, one of which is in a text, each with those. */
export const expandingInto = (text: string): (readonly [letter: string, folded: string])[] =>
  [...expanding].filter(([, folded]) => [...folded].some((letter) => text.includes(letter)));
