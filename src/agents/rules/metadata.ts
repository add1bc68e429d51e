import { textOf } from '../../http/exact-numbers.ts';
import { type Complaint, complaints, type Made } from '../../http/faults.ts';
import { isObject, type Json, type JsonObject } from '../../http/json.ts';

/** Limits of the merged metadata (docs/contract.md#limits-of-metadata). */
export const limits = {
  /** UTF-8 bytes of `JSON.stringify`, numbers that JavaScript cannot hold as PostgreSQL writes them. */
  bytes: 10_240,
  /** Levels of objects and lists; the metadata object is the first. */
  depth: 5,
  /** Object keys at all levels. */
  keys: 50,
} as const;

/**
 * Merges a patch into metadata by JSON Merge Patch (RFC 7396, section 2): objects merge at every depth, null removes a
 * key, everything else replaces. Neither argument is changed. Recurses as deep as the patch: measure that first.
 *
 * The keys of the result stand in the order in which PostgreSQL keeps them in `jsonb`, as those of the target do already. So
 * the answer to a PATCH has the bytes that a GET of that version has.
 * @param toObject makes an object of its members, by default in that order
 */
export function merge(target: Json | undefined, patch: JsonObject, toObject: ToObject = withSortedKeys): JsonObject {
  // A map, since a plain object would find inherited members such as "constructor".
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const key of Object.keys(patch)) {
    const value = patch[key] ?? null;
    if (value === null) merged.delete(key);
    else merged.set(key, isObject(value) ? merge(merged.get(key), value, toObject) : copied(value, toObject));
  }
  return toObject([...merged]);
}

function copied(value: Json, toObject: ToObject): Json {
  if (Array.isArray(value)) return value.map((item) => copied(item, toObject));
  if (!isObject(value)) return value;
  return toObject(Object.entries(value).map(([key, inner]) => [key, copied(inner, toObject)]));
}

type ToObject = (members: [string, Json][]) => JsonObject;

const withSortedKeys: ToObject = (members) => Object.fromEntries(members.sort(([a], [b]) => byStoredOrder(a, b)));

const inAnyOrder: ToObject = (members) => Object.fromEntries(members);

/** By the length of their UTF-8 text, then by its bytes, which for ASCII is the order that JavaScript has. */
function byStoredOrder(a: string, b: string): number {
  const bytes = Buffer.byteLength(a);
  const longer = bytes - Buffer.byteLength(b);
  if (longer !== 0) return longer;
  if (bytes === a.length && bytes === b.length) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * Merges, and returns the limits that the result exceeds. A patch that is too deep is refused before the merge, which recurses:
 * every object and list of a patch is in the result too, at the same depth.
 */
export function mergeWithinLimits(stored: JsonObject, patch: JsonObject) {
  const { depth, keys } = shape(patch);
  const tooDeep = depthComplaints(stored, depth);
  if (tooDeep.length > 0) return { merged: stored, complaints: tooDeep };
  // Sorting 30,000 keys takes 0.2 s, and almost every patch with too many is refused.
  if (keys > limits.keys) {
    const unsorted = merge(stored, patch, inAnyOrder);
    const complaints = limitComplaints(stored, unsorted);
    if (complaints.length > 0) return { merged: unsorted, complaints };
  }
  const merged = merge(stored, patch);
  return { merged, complaints: limitComplaints(stored, merged) };
}

/** The limits that restored metadata exceeds, by the same rule. */
export const restoreComplaints = (stored: JsonObject, restored: JsonObject): readonly Complaint[] =>
  limitComplaints(stored, restored, 'restored').map(complaints.aboutVersion);

/**
 * The limits that new metadata exceeds. If the stored metadata exceeds a limit already, only exceeding it further is a fault.
 */
function limitComplaints(stored: JsonObject, next: JsonObject, made?: Made): readonly Complaint[] {
  const { depth, keys } = shape(next);
  const found = depthComplaints(stored, depth, made);
  const bytes = byteLength(next);
  if (bytes > limits.bytes && bytes > byteLength(stored))
    found.push(complaints.metadataBytes(limits.bytes, bytes, made));
  if (keys > limits.keys && keys > shape(stored).keys) found.push(complaints.metadataKeys(limits.keys, keys, made));
  return found;
}

const depthComplaints = (stored: JsonObject, depth: number, made?: Made): Complaint[] =>
  depth > limits.depth && depth > shape(stored).depth ? [complaints.metadataDepth(limits.depth, depth, made)] : [];

/** Level by level: a value of 100,000 brackets must not overflow the engine's stack. */
function shape(root: JsonObject) {
  let depth = 0;
  let keys = 0;
  for (let level: (Json[] | JsonObject)[] = [root]; level.length > 0; depth += 1) {
    const below: (Json[] | JsonObject)[] = [];
    for (const value of level) {
      const values = Object.values(value);
      if (!Array.isArray(value)) keys += values.length;
      for (const inner of values) if (typeof inner === 'object' && inner !== null) below.push(inner);
    }
    level = below;
  }
  return { depth, keys };
}

const byteLength = (value: JsonObject) => Buffer.byteLength(textOf(value));
