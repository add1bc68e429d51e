import type { TObject } from '@sinclair/typebox';
import { Ajv, type AnySchemaObject, type ErrorObject } from 'ajv';
import { distance } from 'fastest-levenshtein';
import { parseEntityTags } from './entity-tag.ts';
import { type Complaint, complaints, type Fault, inBody, inParameter, listedFaults, type Place } from './faults.ts';
import { readIdempotencyKey } from './idempotency.ts';
import { unstorable } from './json.ts';
import { type Page, readPage } from './page.ts';
import { uuidPattern } from './uuid.ts';

/** Judges a value; after a refusal `errors` holds what was found, in the order of the schema. */
export interface Validator<Value = unknown> {
  (value: unknown): value is Value;
  errors?: ErrorObject[] | null;
}

/** Compiles the schema of one part of a request. */
export function compile<Value = unknown>(schema: TObject, place: Place): Validator<Value> {
  const validate = ajv.compile<Value>(schema);
  const cut = cutOverlongLists(schema);
  const validator: Validator<Value> = (value): value is Value => {
    if (place === 'query') readQuery(schema, value);
    const valid = validate(cut(value));
    validator.errors = validate.errors ?? null;
    return valid;
  };
  return validator;
}

/** Turns what a validator found into the faults of an answer: only the first into words, for a body may have 100,000. */
export function toFaults(errors: readonly ErrorObject[], place: Place) {
  const ofWrongType = new Map(
    errors.filter(({ keyword }) => keyword === 'type').map((error) => [error.instancePath, error]),
  );
  const told = errors.filter((error) => {
    const wrongType = ofWrongType.get(error.instancePath);
    const saidBefore = wrongType && ((error.keyword === 'type' && error !== wrongType) || error.keyword === 'enum');
    return error.keyword !== 'if' && !saidBefore;
  });
  return { first: told.slice(0, listedFaults).map((error) => toFault(error, place)), count: told.length };
}

function toFault(error: ErrorObject, place: Place): Fault {
  const path = pathOf(error);
  // A query parameter is a list only where it stands more than once.
  const isRepeated = place === 'query' && error.keyword === 'type' && Array.isArray(error.data);
  const complaint = isRepeated ? complaints.givenTwice() : complaintAbout(error);
  return place === 'body' ? inBody(path, complaint) : inParameter(place, String(path[0]), complaint);
}

/**
 * Our own formats and keywords. `storable`: what the database can hold faithfully, in a value and all inside it.
 * `deepest`: how far into a list a query may reach, `page` × `limit`.
 */
function withOurWords(ajv: Ajv): Ajv {
  ajv.addFormat('uuid', uuidPattern);
  ajv.addFormat('version', /^[1-9]\d{0,8}$/);
  ajv.addFormat('entity-tags', (text) => parseEntityTags(text) !== undefined);
  ajv.addFormat('idempotency-key', (text) => readIdempotencyKey(text) !== undefined);
  ajv.addKeyword({ keyword: 'storable', schemaType: 'boolean', validate: isStorable });
  ajv.addKeyword({ keyword: 'deepest', type: 'object', schemaType: 'number', validate: isWithinReach });
  return ajv;
}

const isStorable: { (_: boolean, value: unknown): boolean; errors?: Partial<ErrorObject>[] } = (_, value) => {
  isStorable.errors = unstorable(value).map((fault) => ({ keyword: 'storable', params: fault }));
  return isStorable.errors.length === 0;
};

const isWithinReach: {
  (deepest: number, query: Partial<Page>): boolean;
  errors?: Partial<ErrorObject>[];
} = (deepest, query) => {
  const { page, limit } = readPage(query);
  // What is too large by itself is told so by its own schema.
  const isTooDeep = page * limit > deepest && page <= deepest && limit <= deepest;
  const params = { path: ['page'], limit: Math.floor(deepest / limit) };
  isWithinReach.errors = isTooDeep ? [{ keyword: 'deepest', params }] : [];
  return !isTooDeep;
};

/**
 * The validators of the wire. Nothing is coerced, removed or filled in where a value could be lost by it; query strings
 * alone are text by nature and may become numbers or booleans. All faults are reported, with the values they are about.
 */
const options = { allErrors: true, coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true };
const ajv = withOurWords(new Ajv({ ...options, allowUnionTypes: true }));

/** Makes numbers and booleans of the text in a query, in place, where its schema wants them. The rest stays text. */
function readQuery({ properties }: TObject, query: unknown): void {
  if (typeof query !== 'object' || query === null) return;
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
  if (bounds.length === 0) return (value) => value;
  return (value) => {
    if (!isRecord(value)) return value;
    const overlong = bounds.flatMap(({ name, maxItems }) => {
      const list = value[name];
      return Array.isArray(list) && list.length > maxItems ? [[name, list.slice(0, maxItems + 1)]] : [];
    });
    return overlong.length > 0 ? { ...value, ...Object.fromEntries(overlong) } : value;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function pathOf({ instancePath, keyword, params }: ErrorObject): (string | number)[] {
  const parent = instancePath
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (keyword === 'required') return [...parent, params['missingProperty']];
  if (keyword === 'additionalProperties') return [...parent, params['additionalProperty']];
  if (keyword === 'storable' || keyword === 'deepest') return [...parent, ...params['path']];
  return parent;
}

function complaintAbout({ keyword, params, data, parentSchema = {}, schemaPath }: ErrorObject): Complaint {
  const ofPhoneRule = schemaPath.startsWith('#/then/');
  switch (keyword) {
    case 'storable':
      return params['complaint'];
    case 'type':
      if (data === null)
        return ofPhoneRule ? complaints.phoneNumberNotNull() : complaints.notNull(expected(parentSchema));
      return complaints.wrongType(expected(parentSchema));
    case 'enum':
      return complaints.notAllowed(params['allowedValues']);
    case 'required':
      return ofPhoneRule ? complaints.requiredForPhone() : complaints.required();
    case 'additionalProperties':
      return unknownMember(params['additionalProperty'], Object.keys(parentSchema['properties']));
    case 'minimum':
      return complaints.tooSmall(params['limit']);
    case 'maximum':
    case 'deepest':
      return complaints.tooLarge(params['limit']);
    case 'minLength':
      return complaints.tooShort(params['limit']);
    case 'maxLength':
      return complaints.tooLong(params['limit']);
    case 'maxItems':
      return complaints.tooMany(params['limit']);
    case 'pattern':
      return complaints.blank();
    case 'format':
      return complaints.badFormat(params['format']);
    default:
      throw new Error(`no text for the keyword ${keyword}`);
  }
}

const types: Record<string, string> = {
  string: 'a string',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

/** What a schema accepts, in words. */
function expected({ type, enum: values, minimum, maximum }: AnySchemaObject): string {
  // Each as a word: `join` alone leaves null out.
  if (values) return `one of ${values.map(String).join(', ')}`;
  const range = minimum === undefined ? '' : ` from ${minimum} to ${maximum}`;
  return [type]
    .flat()
    .map((name) => `${types[name]}${range}`)
    .join(' or ');
}

/** Names the member meant where one is close: as many slips as a third of what was written. */
function unknownMember(written: string, known: readonly string[]): Complaint {
  const slips = (name: string) => distance(written.toLowerCase(), name.toLowerCase());
  const near = written.length > 40 ? [] : known.filter((name) => slips(name) <= Math.ceil(written.length / 3));
  return complaints.unknownMember(near.sort((a, b) => slips(a) - slips(b))[0], known);
}
