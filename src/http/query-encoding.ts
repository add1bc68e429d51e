import { complaints, type Fault, inParameter } from './faults.ts';

/**
 * A fault for each query parameter whose value is not valid percent-encoded UTF-8; the parser would use it undecoded.
 * `companyId` is skipped: check 7 has checked it.
 */
export function encodingFaults(url: string): readonly Fault[] {
  const start = url.indexOf('?');
  if (start === -1 || !url.includes('%', start)) return [];
  const pairs = url.slice(start + 1).split('&');
  const names = pairs.flatMap((pair) => {
    const [name = '', ...value] = pair.split('=');
    return decoded(value.join('=')) === undefined ? [decoded(name) ?? name] : [];
  });
  const wrong = new Set(names.filter((name) => name !== 'companyId'));
  return [...wrong].map((name) => inParameter('query', name, complaints.badEncoding()));
}

/** One escape that continues a character. */
const tail = '%[89ab][\\da-f]';

/** Percent-encoded UTF-8: the grammar of RFC 3629, section 4, in escapes. Other characters stand for themselves. */
const wellFormed = new RegExp(
  `^(?:${[
    '[^%]',
    '%[0-7][\\da-f]',
    `%(?:c[2-9a-f]|d[\\da-f])${tail}`,
    `(?:%e0%[ab][\\da-f]|%ed%[89][\\da-f]|%e[1-9a-cef]${tail})${tail}`,
    `(?:%f0%[9ab][\\da-f]|%f4%8[\\da-f]|%f[1-3]${tail})${tail}${tail}`,
  ].join('|')})*$`,
  'i',
);

/** Asks first: `decodeURIComponent` throws an error with a stack, and a query of 16 KB can have 8,000 wrong parts. */
function decoded(text: string): string | undefined {
  return wellFormed.test(text) ? decodeURIComponent(text) : undefined;
}
