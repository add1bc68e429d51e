import { type Complaint, complaints } from './faults.ts';

/** A JSON value, as `JSON.parse` makes it. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** Whether a value is a JSON object, neither null nor a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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

/**
 * All that keeps the database or JavaScript from holding a value faithfully: U+0000 and unpaired surrogates in strings
 * and keys, numbers that are not exact, keys that reach for a prototype. Walks without recursion.
 */
export function unstorable(root: unknown): { readonly path: (string | number)[]; readonly complaint: Complaint }[] {
  // Most of what is judged is one text.
  if (typeof root === 'string')
    return isStorableText(root) ? [] : [{ path: [], complaint: complaints.badCharacters() }];
  const faults: { path: (string | number)[]; complaint: Complaint }[] = [];
  for (const node of walk(root)) {
    const complaint = complaintAbout(node);
    if (complaint) faults.push(at(node, complaint));
  }
  return faults;
}

/** Its path is looked for only where it is told: a body may hold 20,000 faults, each inside the one before. */
const at = (node: Node, complaint: Complaint) => ({
  complaint,
  get path() {
    return pathTo(node);
  },
});

function complaintAbout({ value, key, parent }: Node): Complaint | undefined {
  if (typeof key === 'string') {
    if (!isStorableText(key)) return complaints.badCharacters();
    if (key === '__proto__' || (key === 'prototype' && parent?.key === 'constructor'))
      return complaints.keyNotAllowed();
  }
  if (typeof value === 'string' && !isStorableText(value)) return complaints.badCharacters();
  if (typeof value === 'number' && !isExact(value)) return complaints.numberTooLarge();
  return undefined;
}

const isStorableText = (text: string) => !text.includes('\u0000') && text.isWellFormed();
const isExact = (number: number) =>
  Number.isSafeInteger(number) || (Number.isFinite(number) && !Number.isInteger(number));

/** A value inside another, with the way back to the root. */
interface Node {
  readonly value: unknown;
  readonly key: string | number | undefined;
  readonly parent: Node | undefined;
  readonly depth: number;
}

/** Every value inside `root`, itself first. Its own stack: a body of 100,000 brackets must not overflow the engine's. */
function* walk(root: unknown): Generator<Node> {
  const stack: Node[] = [{ value: root, key: undefined, parent: undefined, depth: 1 }];
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node;
    const { value, depth } = node;
    if (typeof value !== 'object' || value === null) continue;
    const parent = node;
    const inside = Array.isArray(value)
      ? value.map((item: unknown, key): Node => ({ value: item, key, parent, depth: depth + 1 }))
      : Object.entries(value).map(([key, item]): Node => ({ value: item, key, parent, depth: depth + 1 }));
    for (let at = inside.pop(); at; at = inside.pop()) stack.push(at);
  }
}

/** Where a node stands, or its ancestor at level 64: an answer must not grow with the depth of a hostile body. */
function pathTo(node: Node): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: Node | undefined = node; at?.key !== undefined; at = at.parent) {
    if (at.depth <= 64) path.push(at.key);
  }
  return path.reverse();
}
