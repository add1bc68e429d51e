import { KindGuard, type TObject } from '@sinclair/typebox';
import type { FastifySchema, RouteOptions } from 'fastify';
import { type ProblemCode, problems } from '../http/problems.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** Problems of a route that the table below does not derive from it. */
    readonly problems?: readonly ProblemCode[];
    /** Headers to show that the route reads without validating them. */
    readonly unvalidatedHeaders?: TObject;
    /** Bodies to show, each with a line that says what it does. */
    readonly bodyExamples?: Readonly<Record<string, { readonly summary: string; readonly value: object }>>;
  }
}

/** A route as it was declared. */
export type Route = Pick<RouteOptions, 'method' | 'url' | 'config'> & { readonly schema: FastifySchema };

interface Check {
  /** The condition of the check, in the words of the document's description. */
  readonly of: string;
  readonly codes: readonly ProblemCode[];
  /** Whether a route has this check; undefined for checks before the request has reached a route. */
  readonly on?: (route: Route) => boolean;
}

/** The properties of the schema of one part of a request. */
export const propertiesOf = (schema: unknown) => (KindGuard.IsObject(schema) ? schema.properties : {});

const everyRoute = () => true;
export const withKey = ({ config }: Route) => config?.scope !== undefined;
const withScope = ({ config }: Route) => config?.scope !== undefined && config.scope !== 'any';
export const withBody = ({ schema }: Route) => schema.body !== undefined;
export const withId = ({ url }: Route) => url.includes('/:id');
const withOwner = (route: Route) =>
  route.config?.idOf === 'agent' || (withId(route) && route.config?.orIntegration === true);
const withCompany = (route: Route) => withKey(route) && !route.config?.forAnyCompany;
const withHeader = (name: string) => (route: Route) => Object.hasOwn(propertiesOf(route.schema.headers), name);
const withIdempotencyKey = withHeader('idempotency-key');

/** The order of checks (docs/contract.md): the one table for the document's description and each route's problems. */
// biome-ignore format: a table
const order: readonly Check[] = [
  { of: 'the message is well-formed HTTP, not too large, and arrives in time', on: everyRoute,
    codes: ['MALFORMED_REQUEST', 'REQUEST_TIMEOUT', 'HEADERS_TOO_LARGE'] },
  { of: 'the path exists', codes: ['ROUTE_NOT_FOUND'] },
  { of: 'the path supports the method (`Allow` lists those that it supports)', codes: ['METHOD_NOT_ALLOWED'] },
  { of: 'the API key is valid; clients that send many invalid keys are rate-limited', on: withKey,
    codes: ['INVALID_API_KEY', 'RATE_LIMITED'] },
  { of: 'the API key is not suspended', on: withKey, codes: ['API_KEY_SUSPENDED'] },
  { of: 'the API key may be used from the address of the client', on: withKey, codes: ['IP_NOT_ALLOWED'] },
  { of: 'the API key is within its rate limits', on: withKey, codes: ['RATE_LIMITED'] },
  { of: 'the API key has the scope of the operation', on: withScope, codes: ['INSUFFICIENT_PERMISSIONS'] },
  { of: 'the request acts for one company, and the API key may act for that company', on: withCompany,
    codes: ['COMPANY_ID_REQUIRED', 'VALIDATION_FAILED', 'COMPANY_ACCESS_DENIED'] },
  { of: 'the body has a supported media type and encoding, is not too large, and is valid JSON', on: withBody,
    codes: ['UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE', 'MALFORMED_BODY'] },
  { of: 'path, query, headers and body are valid; all faults are reported together', on: withKey,
    codes: ['VALIDATION_FAILED'] },
  { of: 'the `Idempotency-Key` was not used for a different request, and no request with it is in progress; a request that ' +
      'was answered before gets the same answer again', on: withIdempotencyKey,
    codes: ['IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_KEY_IN_USE'] },
  { of: 'the resource exists and is not deleted; a repeated answer also needs its agent not to be erased ' +
      'and, if it has a secret, its webhook not to be deleted',
    on: (route) => withId(route) || withIdempotencyKey(route), codes: ['RESOURCE_NOT_FOUND'] },
  { of: 'the resource belongs to the company', on: withOwner, codes: ['RESOURCE_ACCESS_DENIED'] },
  { of: '`If-Match` and `If-None-Match` are satisfied', on: withHeader('if-match'), codes: ['PRECONDITION_FAILED'] },
  { of: 'rules that depend on stored data are satisfied', on: withBody, codes: ['VALIDATION_FAILED'] },
];

/** Problems that can occur at any time during the checks. */
const anywhere: readonly Check[] = [
  { of: 'too many requests are waiting', on: withKey, codes: ['OVERLOADED'] },
  { of: 'the database does not answer in time', on: withKey, codes: ['DATABASE_UNAVAILABLE'] },
  { of: 'the server fails', on: everyRoute, codes: ['INTERNAL_ERROR'] },
];

/** The codes of the problems that a route can answer with, each once. */
export function problemCodesOf(route: Route): ProblemCode[] {
  const own = [...order, ...anywhere].filter(({ on }) => on?.(route));
  return [...new Set([...own.flatMap(({ codes }) => codes), ...(route.schema.problems ?? [])])];
}

const inWords = ({ of, codes }: Check) =>
  `${of}: ${codes.map((code) => `${problems[code].status} \`${code}\``).join(', ')}`;

/** Both tables as Markdown. */
export const checksInWords = `The server checks a request in this order and answers with the first check that fails:

${order.map((check, position) => `${position + 1}. ${inWords(check)}`).join('\n')}

At any time:

${anywhere.map((check) => `- ${inWords(check)}`).join('\n')}`;
