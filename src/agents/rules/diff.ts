import { equal, isObject, type Json } from '../../http/json.ts';
import { escaped } from '../../http/json-pointer.ts';
import { type AgentContent, agentFields } from '../fields.ts';

/** One difference of a field or, in metadata, of the value at a pointer. `before` or `after` is absent if there was no value. */
interface Difference {
  readonly field: string;
  readonly pointer?: string;
  readonly before?: Json;
  readonly after?: Json;
}

/** The differences between two states of an agent: by field, and in metadata by JSON pointer (RFC 6901). Pure. */
export function differences(before: AgentContent, after: AgentContent): Difference[] {
  return agentFields
    .filter((field) => !equal(before[field], after[field]))
    .flatMap((field) =>
      field === 'metadata'
        ? inside(before.metadata, after.metadata, '')
        : [{ field, before: before[field], after: after[field] }],
    );
}

/** Objects are compared key by key, everything else whole. */
function inside(before: Json | undefined, after: Json | undefined, pointer: string): Difference[] {
  if (before !== undefined && after !== undefined && equal(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => inside(ownMember(before, key), ownMember(after, key), `${pointer}/${escaped(key)}`));
  }
  return [
    { field: 'metadata', pointer, ...(before !== undefined && { before }), ...(after !== undefined && { after }) },
  ];
}

const ownMember = (object: { [key: string]: Json }, key: string) =>
  Object.hasOwn(object, key) ? object[key] : undefined;
