import { type Statement, sql } from '../database/statement.ts';
import { expandingInto, foldCase, variantsOf } from './rules/case-folding.ts';

/**
 * The lengths to which `nameContains` fills up its list of expanding letters: each length is one more statement to prepare. Latin
 * letters need at most 16, Unicode has about 100.
 */
const sizes = [0, 8, 16, 128];

/**
 * Whether `a.name` contains a text, by full case folding of both, whatever the locale of the database. The letters of the
 * text become a regular expression in which each stands for all that are folded to it. Letters of the name that are folded
 * to several (`ß`) are replaced by these first, but only in names that have one, and only those that matter for the text:
 * other names are read once, however long the text is. A text that begins with U+0307 finds it behind an `i` too: every part of a
 * name finds the name.
 */
export function nameContains(text: string): Statement {
  const folded = foldCase(text);
  const pattern = [...folded].map((letter) => anyOf(variantsOf(letter)) + (letter === 'i' ? dotsAbove : '')).join('');
  const expanding = expandingInto(folded);
  if (expanding.length === 0) return sql`${name} ~ ${pattern}`;
  const size = sizes.find((one) => one >= expanding.length) ?? expanding.length;
  const padding = Array.from({ length: size - expanding.length }, () => ['', ''] as const);
  const expanded = [...expanding, ...padding].reduce(
    (inner, [letter, letters]) => sql`replace(${inner}, ${letter}::text, ${letters}::text)`,
    name,
  );
  const any = anyOf(expanding.map(([letter]) => letter));
  return sql`CASE WHEN ${name} ~ ${any} THEN ${expanded} ~ ${pattern} ELSE ${name} ~ ${pattern} END`;
}

/** In the order of code points: another collation may find letters equal, or refuse regular expressions. */
const name = sql`(a.name COLLATE "C")`;

/** What `foldCase` leaves out behind an `i`. */
const dotsAbove = '\\u0307*';

/** By their code points, so that none of them means anything in a regular expression. */
const anyOf = (letters: readonly string[]) =>
  `[${letters.map((letter) => `\\U${letter.codePointAt(0)?.toString(16).padStart(8, '0')}`).join('')}]`;
