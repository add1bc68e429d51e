import fc from 'fast-check';
import { deepValue, hostileText, nestedValue, pastMetadata } from './hostile-values.ts';

/** The keywords of JSON Schema that the document uses for requests. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly const?: unknown;
  readonly examples?: readonly object[];
  readonly if?: Schema;
  readonly then?: Schema;
}

/** Values for a schema: valid ones, values just outside its limits, and unrelated ones. */
export const kinds = ['valid', 'past a limit', 'wrong type', 'hostile text', 'odd nesting'] as const;
export type Kind = (typeof kinds)[number];

/** Values for members and parameters that name something stored, by name. */
export type Names = Readonly<Record<string, fc.Arbitrary<unknown>>>;

const typesOf = ({ type }: Schema) => (typeof type === 'object' ? type : [type]);

/**
 * Values for a schema, valid or not: a value beyond one limit may be within another.
 * @param names values that a schema cannot describe, by the name of the member
 */
export function valuesOf(schema: Schema, kind: Kind, names: Names = {}): fc.Arbitrary<unknown> {
  if (schema.properties) return objectsOf(schema, schema.properties, kind, names);
  switch (kind) {
    case 'valid':
      return fc.oneof(validOf(schema), ...(typesOf(schema).includes('null') ? [fc.constant(null)] : []));
    case 'past a limit':
      return outsideOf(schema);
    case 'wrong type':
      return fc.oneof(
        fc.constantFrom(null, true, 0, -1, 1.5, 'text', '', '5', [], {}, [[]], { '': null }),
        validOf(schema).map((value) => [value]),
        validOf(schema).map((value) => ({ value })),
        validOf(schema).map((value) => JSON.stringify(value)),
      );
    case 'hostile text':
      return hostileText;
    case 'odd nesting':
      return nestedValue;
  }
}

/** Objects with valid members, and with what `then` demands if `if` matches. */
function goodObjects(
  { required = [], if: condition, then }: Schema,
  properties: Readonly<Record<string, Schema>>,
  names: Names,
): fc.Arbitrary<object> {
  const good = (name: string) => names[name] ?? valuesOf(properties[name] ?? {}, 'valid');
  const record = (some: readonly string[]) => Object.fromEntries(some.map((name) => [name, good(name)]));
  const all = fc.record(record(Object.keys(properties)), { requiredKeys: [...required], noNullPrototype: true });
  const demanded = fc.record(record(then?.required ?? [])).filter((members) => !Object.values(members).includes(null));
  const holds = (object: object) =>
    Object.entries(condition?.properties ?? {}).every(([name, schema]) => Reflect.get(object, name) === schema.const);
  return fc.tuple(all, demanded).map(([object, more]) => (holds(object) ? { ...object, ...more } : object));
}

/** Objects with valid members, or with one invalid member, or a value that is not an object. */
function objectsOf(
  schema: Schema,
  properties: Readonly<Record<string, Schema>>,
  kind: Kind,
  names: Names,
): fc.Arbitrary<unknown> {
  const { required = [] } = schema;
  const valid = goodObjects(schema, properties, names);
  if (kind === 'valid') return valid;
  const withOneInvalid = fc.constantFrom(...Object.keys(properties)).chain((name) => {
    const spoiled = valuesOf(properties[name] ?? {}, kind);
    return fc.tuple(valid, spoiled).map(([object, value]) => ({ ...object, [name]: value }));
  });
  const withUnknown = (key: fc.Arbitrary<string>) =>
    // As own members, even for names such as __proto__.
    fc.tuple(valid, key).map(([object, name]) => Object.fromEntries([...Object.entries(object), [name, 1]]));
  const further: Readonly<Record<Exclude<Kind, 'valid'>, fc.Arbitrary<unknown>>> = {
    'past a limit': fc.oneof(
      withUnknown(fc.constantFrom('id', 'version', 'companyId', 'Name', 'names', 'x')),
      fc.tuple(valid, fc.constantFrom('', ...required)).map(([object, name]) => without(object, name)),
      valid.map((object) => ({ ...object, type: 'PHONE' })),
      valid.map((object) => ({ ...object, type: 'PHONE', companyPhoneNumberId: null })),
    ),
    'wrong type': fc.oneof(
      fc.constantFrom(null, false, 0, '', []),
      valid.map((object) => [object]),
    ),
    'hostile text': withUnknown(hostileText),
    'odd nesting': deepValue,
  };
  return fc.oneof({ weight: 4, arbitrary: withOneInvalid }, { weight: 1, arbitrary: further[kind] });
}

const without = (object: object, name: string) =>
  Object.fromEntries(Object.entries(object).filter(([member]) => member !== name));

function validOf(schema: Schema): fc.Arbitrary<unknown> {
  const { enum: values, format, pattern, minLength = 0, maxLength = 40, minimum = 0, maximum = 9 } = schema;
  if (values) return fc.constantFrom(...values);
  const [type] = typesOf(schema);
  if (type === 'integer')
    return fc.oneof(fc.constantFrom(minimum, maximum), fc.integer({ min: minimum, max: maximum }));
  if (type === 'boolean') return fc.boolean();
  if (type === 'array') return fc.array(validOf(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 3, 4) });
  if (type === 'object') return smallObject;
  if (format === 'uuid') return fc.uuid();
  if (pattern?.startsWith('^')) return fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: 60 });
  const exact = (length: number) => textOf(length, length);
  return fc.oneof(textOf(minLength, Math.min(maxLength, 12)), exact(minLength), exact(maxLength)).filter(fits(pattern));
}

const fits =
  (pattern = '') =>
  (text: string) =>
    new RegExp(pattern, 'u').test(text);

/** Any characters that can be stored; lengths in code points. */
function textOf(minLength: number, maxLength: number): fc.Arbitrary<string> {
  // A long text repeats a short one, because generating 2,000 characters would take most of the time.
  const long = minLength > 100 ? { minLength: 1, maxLength: 8 } : { minLength, maxLength };
  return fc.string({ ...long, unit: 'binary' }).map((made) => {
    const text = made.replaceAll('\u0000', '\u{1f600}');
    return minLength > 100 ? [...text.repeat(minLength)].slice(0, minLength).join('') : text;
  });
}

/** Few different keys, so that any number of merges stays within the limits of metadata. */
const smallObject = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', ''),
  fc.oneof(
    fc.constantFrom(null, true, -0, 1.5, 2 ** 53 - 1, 'é', [], {}),
    fc.dictionary(fc.constantFrom('a', 'b', 'set'), fc.constantFrom(null, 0, '😀', [1, [2]]), {
      noNullPrototype: true,
    }),
  ),
  { maxKeys: 4, noNullPrototype: true },
);

/** Values one step beyond each limit, and sometimes just within. */
function outsideOf(schema: Schema): fc.Arbitrary<unknown> {
  const { enum: values, format, minLength = 0, maxLength = 40, minimum = 0, maximum = 9, maxItems = 3 } = schema;
  const [type] = typesOf(schema);
  if (values) {
    const mangled = values.flatMap((value) => [`${value}`.toLowerCase(), `${value} `, `${value}S`]);
    return fc.constantFrom(...mangled, '', null);
  }
  if (type === 'integer') {
    const around = [minimum, maximum].flatMap((limit) => [limit - 1, limit + 1, limit + 0.5]);
    return fc.constantFrom(...around, -0, 1e15, 2 ** 53, 1e300, null);
  }
  if (type === 'boolean') return fc.constantFrom('TRUE', '1', 'yes', '', null);
  if (type === 'array') {
    const items = schema.items ?? {};
    const tooMany = fc.array(validOf(items), { minLength: maxItems + 1, maxLength: maxItems + 1 });
    return fc.oneof(
      tooMany,
      outsideOf(items).map((item) => [item]),
    );
  }
  if (type === 'object') return pastMetadata;
  if (format === 'uuid') {
    const mangle = (id: string) => [id.slice(1), `${id}0`, `{${id}}`, id.replaceAll('-', ''), id.replace(/.$/, 'g')];
    return fc.uuid().chain((id) => fc.constantFrom(...mangle(id), `${id}\n`, ''));
  }
  const blank = fc
    .constantFrom(' ', '\u0085', '\u2003\ufeff', '\t\n')
    .map((text) => text.repeat(Math.max(1, minLength)));
  const lengths = [minLength - 1, maxLength + 1].filter((length) => length >= 0);
  const mutated = fc
    .tuple(validOf(schema), fc.constantFrom(' ', '"', '\\', ',', '\u007f'))
    .map(([text, end]) => `${text}${end}`);
  return fc.oneof(blank, mutated, fc.constant(null), ...lengths.map((length) => textOf(length, length)));
}
