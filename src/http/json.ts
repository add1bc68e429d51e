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

/** Whether a value is an object or a list, so that its members can be read. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Whether two JSON values are equal. The order of keys does not count; 0 and -0 are equal. */
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

/** Maximum length of a number written without an exponent, in characters (docs/contract.md#numbers-in-metadata). */
const longestNumber = 40;

/**
 * Finds everything in a value that PostgreSQL or JavaScript cannot store exactly, or that is unsafe: U+0000 and unpaired
 * surrogates in strings and keys, numbers that are inexact or too long, keys that can change a prototype.
 * @returns the first findings in the order of the value, and the number of all. Without recursion, and without an object
 *   for each finding that is only counted: a body can have 50,000
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

/** A list or object between the root and the current value. */
interface Level {
  /** Undefined for a list. */
  readonly keys: readonly string[] | undefined;
  readonly values: readonly unknown[];
  readonly parent: Level | undefined;
  /** Position of the current value in `values`. */
  at: number;
}

function enter(value: unknown, parent: Level | undefined): Level | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value)
    ? { keys: undefined, values: value, parent, at: -1 }
    : { keys: Object.keys(value), values: Object.values(value), parent, at: -1 };
}

const stepOf = ({ keys, at }: Level): string | number => keys?.[at] ?? at;

/** Maximum length of a path in keys and positions: the answer must not grow with the depth of a hostile body. */
const longestPath = 63;

/** The path of the current value, or of its ancestor at the maximum length. */
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

// From 1e-6 on, JavaScript writes a number without an exponent, in at most 25 characters.
const isTooLong = (number: number) => Math.abs(number) < 1e-6 && plainLength(number) > longestNumber;
const numberTooLong = () => complaints.numberTooLong(longestNumber);
const isStorableText = (text: string) => !text.includes('\u0000') && text.isWellFormed();

/**
 * Length in characters, sign and point included, of a number as PostgreSQL stores it: without an exponent, with the digits
 * of JavaScript's shortest exact form.
 * @param number finite; -0 counts as 0
 */
export function plainLength(number: number): number {
  const [digits = '', exponent] = String(number).split('e');
  if (exponent === undefined) return digits.length;
  const sign = number < 0 ? 1 : 0;
  const significant = digits.replace('.', '').length - sign;
  const shift = Number(exponent);
  // Below 1: "0.", zeros, digits. Large numbers get an exponent from 1e21 on only, where they are integers.
  return sign + (shift < 0 ? 1 - shift + significant : 1 + shift);
}
