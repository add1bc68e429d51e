import type { TObject } from '@sinclair/typebox';
import type { Faults, RequestPart } from './faults.ts';
import { isRecord } from './json.ts';
import { toFaults } from './validation-faults.ts';
import { ourAjv } from './validation-keywords.ts';

/** Judges a value; after a refusal `faults` holds what was found, in the order of the schema. */
export interface Validator<Value = unknown> {
  (value: unknown): value is Value;
  faults: Faults;
}

const ajv = ourAjv();

/**
 * Compiles the schema of one part of a request. Its `additionalProperties: false` counts where Ajv's own would make an
 * error of each of 40,000 members, so it holds at the root of a schema only.
 * `$id` is left out: Ajv compiles a schema with one only once.
 */
export function compile<Value = unknown>(schema: TObject, place: RequestPart): Validator<Value> {
  const { additionalProperties = true, $id, ...others } = schema;
  const validate = ajv.compile<Value>({ ...others, closed: additionalProperties === false });
  const cut = cutOverlongLists(schema);
  const validator: Validator<Value> = (value): value is Value => {
    if (place === 'query') readQuery(schema, value);
    if (validate(cut(value))) return true;
    validator.faults = toFaults(validate.errors ?? [], place);
    return false;
  };
  validator.faults = { first: [], count: 0 };
  return validator;
}

/** Makes numbers and booleans of the text in a query, in place, where its schema wants them. The rest stays text. */
function readQuery({ properties }: TObject, query: unknown): void {
  if (!isRecord(query)) return;
  for (const [name, text] of Object.entries(query)) {
    if (typeof text !== 'string') continue;
    const type: unknown = Object.hasOwn(properties, name) && properties[name]?.['type'];
    if (type === 'integer' && wholeNumber.test(text)) Object.assign(query, { [name]: Number(text) });
    if (type === 'boolean' && /^(?:true|false)$/.test(text)) Object.assign(query, { [name]: text === 'true' });
  }
}

/** As it is usually written, and exact as a number. */
const wholeNumber = /^-?\d{1,15}$/;

/** Ajv has no bound on errors: of a list that is too long it sees the allowed items and one more. */
function cutOverlongLists({ properties }: TObject): (value: unknown) => unknown {
  const bounds = Object.entries(properties).flatMap(([name, { maxItems }]) => (maxItems ? [{ name, maxItems }] : []));
  return (value) => {
    if (!isRecord(value)) return value;
    let cut = value;
    for (const { name, maxItems } of bounds) {
      const list = value[name];
      if (Array.isArray(list) && list.length > maxItems) cut = { ...cut, [name]: list.slice(0, maxItems + 1) };
    }
    return cut;
  };
}
