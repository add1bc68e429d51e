/**
 * JSON with numbers that JavaScript cannot hold, as SQL may have written them into stored metadata: `1e400`, an integer
 * beyond ±(2^53 − 1), 30 decimal digits.
 *
 * In memory such a number is a string: U+0000 and the digits. No other string begins so, since requests and PostgreSQL
 * refuse U+0000. It is compared, merged and kept like any string, and written as the number that it was.
 */

const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
const heldNumber = /"\\u0000([^"]*)"/g;

/**
 * Parses JSON that PostgreSQL wrote, and keeps each number that JavaScript cannot hold.
 * @throws SyntaxError when the text is no JSON
 */
export function parseExact(json: string): unknown {
  return JSON.parse(hasSixteenDigits(json) ? json.replaceAll(stringOrNumber, held) : json);
}

/** Found in each number that JavaScript reads as 0 although it is not: an exponent such as in `1e-400`, or 200 zeros. */
const mayUnderflow = /[eE]-\d{3}|\.0{200}/;

/**
 * Parses the JSON of a request. A number that is not 0, but too small for JavaScript, becomes the smallest one that it holds,
 * and not 0: validation refuses that wherever it stands.
 * @throws SyntaxError when the text is no JSON
 */
export function parseRequest(json: string): unknown {
  const value: unknown = JSON.parse(json);
  // In a text that is JSON, the pattern takes linear time.
  return mayUnderflow.test(json) ? JSON.parse(json.replaceAll(stringOrNumber, notToZero)) : value;
}

function notToZero(token: string): string {
  const isUnderflow = Number(token) === 0 && /^[-.0]*[1-9]/.test(token);
  return isUnderflow ? `${token.startsWith('-') ? '-' : ''}${Number.MIN_VALUE}` : token;
}

/**
 * Whether sixteen digits and points stand in a row: JavaScript holds all numbers that are shorter, and most JSON has none.
 * One of each sixteen characters is enough to find such a row. A regular expression, which tries every place, takes as long
 * as `JSON.parse` itself.
 */
function hasSixteenDigits(json: string): boolean {
  for (let at = 15; at < json.length; at += 16) {
    if (!isDigitOrPoint(json, at)) continue;
    let length = 1;
    while (isDigitOrPoint(json, at - length)) length += 1;
    for (let next = at + 1; length < 16 && isDigitOrPoint(json, next); next += 1) length += 1;
    if (length >= 16) return true;
  }
  return false;
}

function isDigitOrPoint(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code >= 48 && code <= 57) || code === 46;
}

/** Turns JSON of what `parseExact` returned into JSON with the numbers that it read. Not for JSON of anything else. */
export const withNumbers = (json: string): string =>
  json.includes('\\u0000') ? json.replaceAll(heldNumber, '$1') : json;

/** The JSON of what `parseExact` returned, or of a value that is made of it. */
export const stringifyExact = (value: unknown): string => withNumbers(JSON.stringify(value));

/** The same, made once for each object: for objects that can be large and are never changed in place, such as metadata. */
export function textOf(value: object): string {
  const known = KnownText.of(value);
  if (known !== undefined) return known;
  const text = stringifyExact(value);
  new KnownText(value, text);
  return text;
}

/** Its constructor returns the argument, so that a subclass adds its private fields to that object. */
class Itself {
  constructor(value: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return value;
  }
}

/**
 * The text of an object in a private field of the object, which no enumeration or copy of it has. A WeakMap would do the same,
 * but its values outlive young garbage: with 10 KB each, that took longer than to write them again.
 */
class KnownText extends Itself {
  readonly #text: string;

  constructor(value: object, text: string) {
    super(value);
    this.#text = text;
  }

  static of(value: object): string | undefined {
    return #text in value ? value.#text : undefined;
  }
}

const held = (token: string): string =>
  token.startsWith('"') || isExact(token, Number(token)) ? token : `"\\u0000${token}"`;

const isExact = (text: string, number: number): boolean =>
  Math.abs(number) <= Number.MAX_SAFE_INTEGER && significant(text) === significant(String(number));

/** The digits of a number without its exponent and the zeros at both ends. */
const significant = (number: string): string =>
  number
    .replace(/[eE].*/, '')
    .replaceAll(/[-.]/g, '')
    .replaceAll(/^0+|0+$/g, '');
