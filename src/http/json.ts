import { type Complaint, complaints, type Findings, listedFaults } from './faults.ts';

/** A JSON value, as `JSON.parse` makes it. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** Whether a value is a JSON object, neither null nor a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value may have members, whatever they are: an object or a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Whether two JSON values are equal: the order of keys means nothing, 0 and -0 are one number. */
export function equal(a: Json, b: Json): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index] ?? null));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key] ?? null, b[key] ?? null))
  );
}

/** Characters that a number may have when it is written without an exponent (docs/contract.md#numbers-in-metadata). */
const longestNumber = 40;

/**
 * All that keeps the database or JavaScript from holding a value faithfully: U+0000 and unpaired surrogates in strings
 * and keys, numbers that are not exact or too long, keys that reach for a prototype. In the order in which they stand.
 * Walks without recursion, and makes nothing for what is only counted: a body may have 50,000 faults.
 */
export function unstorable(root: unknown): Findings {
  const first: { path: (string | number)[]; complaint: Complaint }[] = [];
  let count = 0;
  const note = (complain: (() => Complaint) | undefined, level: Level | undefined) => {
    if (!complain) return;
    count += 1;
    if (count <= listedFaults) first.push({ path: pathTo(level), complaint: complain() });
  };
  note(faultOfValue(root), undefined);
  let level = enter(root, undefined);
  while (level) {
    if (level.at + 1 === level.values.length) {
      level = level.parent;
      continue;
    }
    level.at += 1;
    const value = level.values[level.at];
    note(faultOfKey(level) ?? faultOfValue(value), level);
    level = enter(value, level) ?? level;
  }
  return { first, count };
}

/** A list or an object on the way from the root to where the walk is. */
interface Level {
  /** Undefined for a list. */
  readonly keys: readonly string[] | undefined;
  readonly values: readonly unknown[];
  readonly parent: Level | undefined;
  /** Position of the value that the walk is at. */
  at: number;
}

function enter(value: unknown, parent: Level | undefined): Level | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value)
    ? { keys: undefined, values: value, parent, at: -1 }
    : { keys: Object.keys(value), values: Object.values(value), parent, at: -1 };
}

const stepOf = ({ keys, at }: Level): string | number => keys?.[at] ?? at;

/** Steps that a path may have: an answer must not grow with the depth of a hostile body. */
const longestPath = 63;

/** Where the walk is, or the ancestor at the longest path. */
function pathTo(level: Level | undefined): (string | number)[] {
  const path: (string | number)[] = [];
  for (let above = level; above; above = above.parent) path.push(stepOf(above));
  return path.reverse().slice(0, longestPath);
}

function faultOfKey({ keys, at, parent }: Level): (() => Complaint) | undefined {
  const key = keys?.[at];
  if (key === undefined) return undefined;
  if (!isStorableText(key)) return complaints.badCharacters;
  const isRefused = key === '__proto__' || (key === 'prototype' && parent && stepOf(parent) === 'constructor');
  return isRefused ? complaints.keyNotAllowed : undefined;
}

function faultOfValue(value: unknown): (() => Complaint) | undefined {
  if (typeof value === 'string') return isStorableText(value) ? undefined : complaints.badCharacters;
  if (typeof value !== 'number') return undefined;
  if (Number.isSafeInteger(value)) return undefined;
  if (Number.isInteger(value) || !Number.isFinite(value)) return complaints.numberTooLarge;
  return isTooLong(value) ? numberTooLong : undefined;
}

// From a millionth on, JavaScript itself writes no exponent, and at most 25 characters.
const isTooLong = (number: number) => Math.abs(number) < 1e-6 && plainLength(number) > longestNumber;
const numberTooLong = () => complaints.numberTooLong(longestNumber);
const isStorableText = (text: string) => !text.includes('\u0000') && text.isWellFormed();

/**
 * Characters of a number written without an exponent, sign and point counted, as PostgreSQL writes it: with the fewest
 * digits that JavaScript tells it from its neighbours by.
 * @param number finite; -0 counts as 0
 */
export function plainLength(number: number): number {
  const [digits = '', exponent] = String(number).split('e');
  if (exponent === undefined) return digits.length;
  const sign = number < 0 ? 1 : 0;
  const significant = digits.replace('.', '').length - sign;
  const shift = Number(exponent);
  // Below one: "0.", the zeros and the digits. JavaScript writes an exponent above 20 only, where all is integer.
  return sign + (shift < 0 ? 1 - shift + significant : 1 + shift);
}
