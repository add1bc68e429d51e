import type { Json, JsonObject } from '../../src/http/json.ts';

/** RFC 7396, section 2, word for word: no recursion limit, no fast path. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const from = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const result: JsonObject = Object.fromEntries(Object.entries(from));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(Object.hasOwn(result, name) ? result[name] : undefined, value);
  }
  return result;
}
