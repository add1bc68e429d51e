import type { TObject } from '@sinclair/typebox';
import type { ValidateFunction } from 'ajv';
import type { Faults, RequestPart } from './faults.ts';
import { isRecord } from './json.ts';
import { toFaults } from './validation-faults.ts';
import { ourAjv } from './validation-keywords.ts';

/** Validates a value; if it returns false, `faults` has what is wrong, in the order of the schema. */
interface Validator<Value = unknown> {
  (value: unknown): value is Value;
  faults: Faults;
}

const ajv = ourAjv();

/** Compiles the schema of one part of a request. */
export function compile<Value = unknown>(schema: TObject, place: RequestPart): Validator<Value> {
  const validate = validatorOf(schema);
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

/** Ajv's validators by their schemas, which routes share: to compile one takes milliseconds. */
const compiled = new WeakMap<TObject, ValidateFunction>();

/**
 * `additionalProperties: false` at the root becomes our keyword `closed`: Ajv would make an error for each unknown member, and a
 * body can have 40,000. `$id` is left out, because Ajv refuses to compile two schemas with the same one.
 */
function validatorOf(schema: TObject): ValidateFunction {
  const known = compiled.get(schema);
  if (known) return known;
  const { additionalProperties = true, $id, ...others } = schema;
  const validate = ajv.compile({ ...others, ...(additionalProperties === false && { closed: true }) });
  compiled.set(schema, validate);
  return validate;
}

/** Converts parameters of a query, in place, that are numbers or booleans in its schema. Other text stays as it is. */
function readQuery({ properties }: TObject, query: unknown): void {
  if (!isRecord(query)) return;
  for (const [name, text] of Object.entries(query)) {
    if (typeof text !== 'string') continue;
    const type: unknown = Object.hasOwn(properties, name) && properties[name]?.['type'];
    if (type === 'integer' && wholeNumber.test(text)) Object.assign(query, { [name]: Number(text) });
    if (type === 'boolean' && /^(?:true|false)$/.test(text)) Object.assign(query, { [name]: text === 'true' });
  }
}

/** Up to 15 digits: every such number is exact in JavaScript. */
const wholeNumber = /^-?\d{1,15}$/;

/** Cuts a list that is too long to one item more than allowed, as Ajv does not limit the number of its errors. */
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
