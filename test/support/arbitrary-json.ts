import fc from 'fast-check';
import type { Json, JsonObject } from '../../src/http/json.ts';

/** Few keys, so that two values often have some in common, with names of inherited members among them. */
const key = fc.constantFrom('a', 'b', 'c', 'set', '', '0', 'constructor', 'toString', 'hasOwnProperty', 'é', 'a/b');
const leaf = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, 1, -1.5, '', 'a', '😀'),
  fc.string({ maxLength: 5 }),
  fc.integer(),
);

const { value, object } = fc.letrec<{ value: Json; object: JsonObject; list: Json[] }>((tie) => ({
  value: fc.oneof({ maxDepth: 6, withCrossShrink: true }, leaf, tie('object'), tie('list')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  list: fc.array(tie('value'), { maxLength: 4 }),
}));

/** Any JSON value that can be stored. */
export const anyJson = value;

/** Any JSON object that can be stored: metadata, or a patch of it. */
export const anyMetadata = object;
