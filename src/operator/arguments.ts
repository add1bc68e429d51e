import { InvalidArgumentError } from '@commander-js/extra-typings';
import { isScope, type Scope, scopes } from '../auth/api-key.ts';
import { plainBlock } from '../http/address.ts';
import { parseRequest } from '../http/exact-numbers.ts';
import { isUuid } from '../http/uuid.ts';

// Parsers of option values. Each throws InvalidArgumentError; commander prints the option and this message.

/** @returns the UUID in lower case */
export function uuid(text: string): string {
  if (!isUuid(text)) throw new InvalidArgumentError('It must be a UUID.');
  return text.toLowerCase();
}

/** @throws InvalidArgumentError for text that was not UTF-8: Node puts U+FFFD in the place of such bytes */
function requireUtf8(text: string): void {
  if (text.includes('\uFFFD')) throw new InvalidArgumentError('It must be UTF-8, without U+FFFD.');
}

export function filled(text: string): string {
  requireUtf8(text);
  // White space as in the names of agents: JavaScript's `\s` and U+0085.
  if (/^[\s\u0085]*$/.test(text)) throw new InvalidArgumentError('It must not be empty.');
  return text;
}

export function e164(text: string): string {
  if (!/^\+[1-9]\d{1,14}$/.test(text)) throw new InvalidArgumentError('It must be E.164, like +12025550123.');
  return text;
}

export function scopeList(text: string): readonly Scope[] {
  const names = text.split(',');
  if (!names.every(isScope))
    throw new InvalidArgumentError(`It must be of ${scopes.join(',')}, with commas alone between them.`);
  return [...new Set(names)];
}

/** Parses one value of a repeatable option, an address or CIDR block. @param before the values so far @returns all values */
export function block(text: string, before: readonly string[]): readonly string[] {
  const parsed = plainBlock(text);
  if (parsed === undefined) {
    throw new InvalidArgumentError('It must be an address or a CIDR block, like 192.0.2.7 or 2001:db8::/32.');
  }
  return [...new Set([...before, parsed])];
}

/** @returns the time in RFC 3339, in UTC; a date without a time is midnight UTC */
export function time(text: string): string {
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;
  // `Date` turns the 31st of February into the 3rd of March, so the day is compared.
  const day = text.slice(0, 10);
  const exists = form.test(text) && !Number.isNaN(Date.parse(text)) && new Date(day).toISOString().startsWith(day);
  if (!exists) {
    throw new InvalidArgumentError('It must be a time with its zone, like 2030-01-31T12:00:00Z.');
  }
  const utc = new Date(text).toISOString();
  // Elsewhere ISO 8601 writes years with a sign and six digits, and year 0, which PostgreSQL does not read.
  if (!/^(?!0000)\d{4}-/.test(utc)) throw new InvalidArgumentError('It must be in the years 1 to 9999, in UTC.');
  return utc;
}

/** Like `time`, but the time must be in the future. */
export function expiry(text: string): string {
  const expires = time(text);
  if (Date.parse(expires) <= Date.now()) throw new InvalidArgumentError('It must be in the future.');
  return expires;
}

/** Wraps the parser of an option of `key update`, which also accepts `none` to remove what is set. */
export const orNone =
  <Value>(read: (text: string) => Value) =>
  (text: string): Value | 'none' =>
    text === 'none' ? text : read(text);

/** Turns `none` into null. The parser cannot return null itself: commander replaces it by an empty text. */
export const cleared = <Value>(value: Value | 'none'): Value | null => (value === 'none' ? null : value);

/** Like `block`, but also accepts `none` as the only value, which removes all addresses and blocks. */
export function blockOrNone(text: string, before: readonly string[] | undefined): readonly string[] {
  const isMixed = before !== undefined && (text === 'none' || before.length === 0);
  if (isMixed) throw new InvalidArgumentError('It must not be given beside none.');
  return text === 'none' ? [] : block(text, before ?? []);
}

const wholeNumber =
  (form: RegExp, least: number, which: string) =>
  (text: string): number => {
    const value = form.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least)) throw new InvalidArgumentError(`It must be a whole number ${which}.`);
    return value;
  };

export const days = wholeNumber(/^\d{1,5}$/, 1, 'of days, from 1 to 99999');
export const versions = wholeNumber(/^\d{1,9}$/, 1, 'of versions, from 1 on');
export const seconds = wholeNumber(/^\d{1,9}$/, 0, 'of seconds');
export const limit = wholeNumber(/^\d{1,9}$/, 0, 'of requests; 0 is no limit');
export const entries = wholeNumber(/^[1-9]\d{0,5}$/, 1, 'from 1 to 999999');

export function jsonObject(text: string): object {
  requireUtf8(text);
  try {
    const value: unknown = parseRequest(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Not JSON: the same error as for a value that is not an object.
  }
  throw new InvalidArgumentError('It must be a JSON object.');
}
