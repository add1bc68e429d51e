import type { TObject } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { type Preconditions, parseEntityTags } from './entity-tag.ts';
import { complaints, type Fault, inParameter } from './faults.ts';
import { fingerprint, type Idempotency, readIdempotencyKey } from './idempotency-key.ts';
import { isRecord } from './json.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on routes that declare headers, before the handler. */
    preconditions: Preconditions;
    /** The Idempotency-Key of the request and its fingerprint; undefined without the header. */
    idempotency: Idempotency | undefined;
  }
}

const known = ['if-match', 'if-none-match', 'idempotency-key'] as const;
type HeaderName = (typeof known)[number];

/**
 * Parses the headers that a route declares into `request.preconditions` and `request.idempotency`.
 * @returns a function to call once the body of a request has been read; it returns the faults of the headers
 * @throws Error at the start for a header that it cannot parse
 */
export function headerReader({ properties }: TObject): (request: FastifyRequest) => readonly Fault[] {
  const unknown = Object.keys(properties).filter((name) => !known.some((each) => each === name));
  if (unknown.length > 0) throw new Error(`nothing reads the header ${unknown.join(', ')}`);
  const names = known.filter((name) => Object.hasOwn(properties, name));
  return (request) => {
    if (names.some((name) => request.headers[name] !== undefined)) return readHeaders(request, names);
    request.preconditions = unconditional;
    return [];
  };
}

const unconditional: Preconditions = {};

function readHeaders(request: FastifyRequest, names: readonly HeaderName[]): readonly Fault[] {
  const { method, url, headers, bodyBytes: body } = request;
  const faults: Fault[] = [];
  const read = <Value>(name: HeaderName, parse: (text: string) => Value | undefined, format: Format) => {
    const text = headers[name];
    if (text === undefined || !names.includes(name)) return undefined;
    const value = parse(String(text));
    if (value === undefined) faults.push(inParameter('header', name, complaints.badFormat(format)));
    return value;
  };
  request.preconditions = {
    ifMatch: read('if-match', parseEntityTags, 'entity-tags'),
    ifNoneMatch: read('if-none-match', parseEntityTags, 'entity-tags'),
  };
  const key = read('idempotency-key', readIdempotencyKey, 'idempotency-key');
  if (key !== undefined) {
    request.idempotency = { key, fingerprint: fingerprint({ method, url, ifMatch: headers['if-match'], body }) };
  }
  return faults;
}

type Format = 'entity-tags' | 'idempotency-key';

/** A dry run takes no Idempotency-Key, as it changes nothing that could be repeated. Call it once the query is validated. */
export function dryRunFaults({ headers, query }: FastifyRequest): readonly Fault[] {
  const isDryRun = headers['idempotency-key'] !== undefined && isRecord(query) && query['dryRun'] === true;
  return isDryRun ? [inParameter('header', 'idempotency-key', complaints.notOnDryRun())] : [];
}
