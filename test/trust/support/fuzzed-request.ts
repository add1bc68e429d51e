import fc from 'fast-check';
import type { Document, Operation } from '../../support/document.ts';
import { hostileText } from '../../support/hostile-values.ts';
import type { Sent } from '../../support/http.ts';
import { type Kind, kinds, type Names, type Schema, valuesOf } from '../../support/schema-arbitrary.ts';

/** The sender of a request; `reader` may only read. */
const senders = ['company', 'ats', 'reader', 'suspended', 'nobody'] as const;

/** A generated request; names in braces stand for stored values. */
export interface Fuzzed {
  readonly kind: Kind;
  readonly method: string;
  /** As the document names it. */
  readonly path: string;
  readonly sender: (typeof senders)[number];
  /** The values of the path parameters, not encoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Not encoded. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Requests of every kind for every operation of a document with one of these paths. */
export function fuzzedRequests(document: Document, isOne: (path: string) => boolean): fc.Arbitrary<Fuzzed> {
  const paths = Object.entries(document.paths).filter(([path]) => isOne(path));
  const all = paths.flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const { $ref = '' } = operation.requestBody?.content['application/json']?.schema ?? {};
      const arbitrary = requestsOf(method, path, operation, document.components.schemas[$ref.replace(/.*\//, '')]);
      // Bodies have the most to get wrong, so they are generated most often.
      return { arbitrary, weight: operation.requestBody ? 6 : 1 };
    }),
  );
  return fc.oneof(...all);
}

/** All parts are generated once, because most requests share the parts of others. */
function requestsOf(
  method: string,
  path: string,
  { parameters, requestBody }: Operation,
  bodySchema: Schema | undefined,
): fc.Arbitrary<Fuzzed> {
  const good = new Map(parameters.map(({ name, schema }) => [name, names[name] ?? valuesOf(schema, 'valid')]));
  const goodBody = bodySchema ? bodyOf(bodySchema, 'valid') : fc.constant(undefined);

  /** Requests with one part of the given kind, and valid other parts. */
  function requestsWith(kind: Kind, spot: string): fc.Arbitrary<Fuzzed> {
    const among = (place: string) => {
      const values = parameters
        .filter((parameter) => parameter.in === place)
        .map(({ name, schema }) => {
          const isSpot = name === spot;
          const value = (isSpot ? valuesOf(schema, kind) : (good.get(name) ?? fc.constant(''))).map(asText);
          return [name, isSpot || place === 'path' ? value : seldom(value)] as const;
        });
      return fc.record(Object.fromEntries(values)).map(withoutAbsent);
    };
    const parts = fc.record({
      sender: fc.oneof({ weight: 6, arbitrary: fc.constant('company' as const) }, fc.constantFrom(...senders)),
      params: among('path'),
      query: fc.tuple(among('query'), spot === 'query' ? strayQuery : fc.constant([]), fc.nat(3)),
      headers: among('header'),
      type: spot === 'Content-Type' ? strayType : goodType(requestBody),
      body: bodySchema && spot === 'body' ? bodyOf(bodySchema, kind) : goodBody,
    });
    return parts.map(({ sender, params, query: [known, stray, named], headers, type, body }) => ({
      ...{ kind, method, path, sender, params },
      // Without a company an ATS key would be refused before the other parts are checked.
      query: [
        ...Object.entries(sender === 'ats' && named > 0 ? { companyId: '{COMPANY}', ...known } : known),
        ...stray,
      ],
      headers: { ...asHeaders(headers), ...(body !== undefined && type) },
      ...(body !== undefined && { body }),
    }));
  }

  const spots = ['query', ...parameters.map(({ name }) => name), ...(bodySchema ? ['body', 'Content-Type'] : [])];
  const bad = spots.map((spot) => ({ spot, weight: spot === 'body' ? 8 : 1 }));
  const all = bad.reduce((sum, { weight }) => sum + weight, 0);
  return fc.oneof(
    { weight: all, arbitrary: requestsWith('valid', 'none') },
    ...kinds
      .filter((kind) => kind !== 'valid')
      .flatMap((kind) => bad.map(({ spot, weight }) => ({ weight, arbitrary: requestsWith(kind, spot) }))),
  );
}

const withoutAbsent = (values: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));

/** Header values that Node's client can send. */
const asHeaders = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.replace(/[^\t -~]/g, '')]));

const seldom = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const asText = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** Unknown parameters, hostile names, and repeated parameters. */
const strayQuery = fc.oneof(
  fc.tuple(hostileText, hostileText).map((pair) => [pair] as const),
  fc
    .constantFrom('companyId', 'dryRun', 'limit', 'page', 'name', 'to', 'Limit', 'x')
    .map((name) => [[name, '1'] as const, [name, '1'] as const]),
);

const goodType = (requestBody: Operation['requestBody']) =>
  fc
    .constantFrom(...Object.keys(requestBody?.content ?? { none: 0 }))
    .chain((type) => fc.constantFrom(type, type, type.toUpperCase(), `${type}; charset=utf-8`))
    .map((type): Record<string, string> => ({ 'Content-Type': type }));

const strayType = fc.constantFrom<Record<string, string>>(
  {},
  { 'Content-Type': 'text/plain' },
  { 'Content-Type': 'application/jsonx' },
  { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
);

/** Sometimes invalid JSON, or too much of it. */
function bodyOf(schema: Schema, kind: Kind): fc.Arbitrary<string> {
  const json = valuesOf(schema, kind, names).map((value) => JSON.stringify(value));
  if (kind !== 'odd nesting') return json;
  const broken = fc.constantFrom('', '{', '[]]', 'NaN', "{'a':1}", '{"a":1,}', '[1e400]', '{"metadata":{"n":1e400}}');
  const repeated = fc.constantFrom('{"name":1,"name":"Said twice"}', '{"duration":4.5e1}', '{"duration":45.0}');
  const vast = fc.constantFrom(
    '['.repeat(100_000),
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    ' '.repeat(262_145),
  );
  return fc.oneof({ weight: 12, arbitrary: json }, broken, repeated, vast);
}

/** Values that name something stored. */
const names: Names = {
  id: fc.oneof(
    { weight: 8, arbitrary: fc.constant('{AGENT}') },
    fc.constantFrom('{AGENT|upper}', '{OTHERS}', '{DELETED}'),
    fc.uuid(),
  ),
  companyId: fc.constantFrom('{COMPANY}', '{COMPANY}', '{COMPANY|upper}', '{OTHER_COMPANY}'),
  companyPhoneNumberId: fc.oneof(
    { weight: 6, arbitrary: fc.constant('{NUMBER}') },
    fc.constantFrom('{NUMBER|upper}', '{INACTIVE}', '{OTHERS_NUMBER}', null),
  ),
  version: fc.constantFrom('1', '1', '1', '2', '999999999'),
  to: fc.constantFrom('1', '1', '2', '999999999'),
  'If-Match': fc.constantFrom('*', '*', '"1"', '"1", W/"2" ,'),
  'If-None-Match': fc.constantFrom('*', '"1"', 'W/"1","2"'),
  'Idempotency-Key': fc.oneof(fc.constantFrom('one', '"one"', '"a\\"b"'), fc.uuid()),
};

/** The request as bytes, with names replaced. A lone surrogate is sent as three bytes, which are not UTF-8. */
export function toSent({ method, path, params, query, headers, body }: Fuzzed, key: string): Sent {
  const target = path.replace(/\{(\w+)\}/g, (_, name) => encode(params[name] ?? ''));
  const pairs = query.map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return {
    method: method.toUpperCase(),
    path: pairs.length > 0 ? `${target}?${pairs.join('&')}` : target,
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(body !== undefined && { body }),
  };
}

const encode = (text: string) =>
  [...text].map((character) => (character.isWellFormed() ? encodeURIComponent(character) : '%ED%A0%80')).join('');
