import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { uuidPattern } from '../../src/http/uuid.ts';
import type { Answer } from './http.ts';
import type { Schema } from './schema-arbitrary.ts';

/** The part of an OpenAPI document that the tests read. */
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly description: string;
  /** Empty if no API key is needed. */
  readonly security: readonly object[];
  readonly 'x-scope'?: string;
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Response>>;
}

interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly description: string;
  readonly schema: Schema;
}

interface Response {
  readonly headers: Readonly<Record<string, { readonly schema: { readonly examples?: readonly string[] } }>>;
  /** Absent if the answer has no body. */
  readonly content?: Readonly<Record<string, Media>>;
}

interface Media {
  readonly schema: Schema;
  readonly example?: object;
  readonly examples?: Readonly<Record<string, { readonly value: object }>>;
}

/** Reads a document and replaces the references to shared responses, headers, parameters and examples. */
export function readDocument(text: string): Document {
  const { components }: Document = inlined(text, JSON.parse(text).components);
  // Twice, because the responses contain references themselves.
  return inlined(text, components);
}

function inlined(text: string, components: object): Document {
  const shared = new Map(
    Object.entries(components).flatMap(([kind, named]) =>
      kind === 'schemas'
        ? []
        : Object.entries(named).map(([name, component]) => [`#/components/${kind}/${name}`, component] as const),
    ),
  );
  return JSON.parse(text, (_, value) => shared.get(Object(value).$ref) ?? value);
}

/** The codes that an operation lists, by status. */
export function codesOf({ responses }: Operation): Record<string, string[]> {
  const problems = Object.entries(responses).filter(([status]) => status >= '400');
  return Object.fromEntries(
    problems.map(([status, { content }]) => [
      status,
      Object.keys(content?.['application/problem+json']?.examples ?? {}).toSorted(),
    ]),
  );
}

/** Method and path of a request in the form of the document. */
export function documented(line: string): readonly [method: string, path: string] {
  const [method = '', path = ''] = line.split(' ');
  return [
    method,
    path
      .replace(':id', '{id}')
      .replace(':deliveryId', '{deliveryId}')
      .replace(':code', '{code}')
      .replace('/1', '/{version}'),
  ];
}

/** Headers that HTTP adds to every answer. */
const ofTheConnection = [
  ...['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'transfer-encoding'],
  // Added to every answer for browsers; test/http/nosniff.test.ts checks it.
  'x-content-type-options',
];

/**
 * Compares an answer with what the document says of its operation and status: media type, headers, body.
 * @param headers all that the answer must have beside X-Request-Id
 */
export function expectDocumented(
  document: Document,
  [method, path]: readonly [string, string],
  answer: Answer,
  headers: readonly string[],
): void {
  const response = document.paths[path]?.[method]?.responses[answer.status];
  const [type] = answer.headers['content-type']?.split(';', 1) ?? [];
  expect(Object.keys(response?.content ?? {})).toEqual(type === undefined ? [] : [type]);

  expect(headersOf(answer).toSorted()).toEqual(['x-request-id', ...headers].toSorted());
  expectDocumentedHeaders(response, answer);

  if (type === undefined) return;
  const place = ['paths', path, method, 'responses', answer.status, 'content', type, 'schema'];
  expect(faultsOf(document, place, answer.body)).toEqual([]);
}

/** The names of an answer's headers, without those of HTTP. */
const headersOf = ({ headers }: Answer) => Object.keys(headers).filter((name) => !ofTheConnection.includes(name));

/** Checks that all headers of an answer are documented for its status. */
export function expectDocumentedHeaders(response: Response | undefined, answer: Answer): void {
  const documented = Object.keys(response?.headers ?? {}).map((name) => name.toLowerCase());
  expect(documented).toEqual(expect.arrayContaining(headersOf(answer)));
}

/** The faults of a value by a schema of the document. */
export function faultsOf(document: Document, place: readonly (string | number)[], value: unknown): unknown[] {
  const ajv = validators.get(document) ?? validatorOf(document);
  validators.set(document, ajv);
  const pointer = place.map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1'));
  // Compiled once for each place.
  const validate = ajv.getSchema(`document#/${pointer.map(encodeURIComponent).join('/')}`);
  if (!validate) throw new Error(`the document has no ${pointer.join(' ')}`);
  return validate(value) ? [] : [...(validate.errors ?? [])];
}

const validators = new WeakMap<Document, Ajv2020>();

function validatorOf(document: Document): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addFormat('uuid', uuidPattern);
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return ajv.addSchema(document, 'document');
}

/** Headers that only some answers have. */
const conditional = /^(agent-phone-number-id|idempotent-replayed|dry-run|accept-(patch|encoding)|www-authenticate)$/;

/**
 * All differences between an answer and the documented response of its operation: status, media type, headers, body.
 */
export function undocumented(
  document: Document,
  [method, path]: readonly [string, string],
  { status, headers, body }: Answer,
): unknown[] {
  const response = document.paths[path]?.[method]?.responses[status];
  if (!response) return [`no ${status}`];
  const [type] = headers['content-type']?.split(';', 1) ?? [];
  const given = Object.keys(headers).filter((name) => !ofTheConnection.includes(name));
  const listed = Object.keys(response.headers).map((name) => name.toLowerCase());
  // Rate limit headers are sent only after the key was checked.
  const isEarly = status === 401 || status === 431 || Object(body).code === 'MALFORMED_REQUEST';
  const due = listed.filter((name) => !conditional.test(name) && !(isEarly && name.startsWith('x-ratelimit-')));
  return [
    ...(Object.keys(response.content ?? {}).join() === (type ?? '') ? [] : [`the media type ${type}`]),
    ...given.filter((name) => !listed.includes(name)).map((name) => `the header ${name}`),
    ...due.filter((name) => !given.includes(name)).map((name) => `without the header ${name}`),
    ...(type === undefined
      ? []
      : faultsOf(document, ['paths', path, method, 'responses', status, 'content', type, 'schema'], body)),
  ];
}
