import type { FastifySchema, RouteOptions } from 'fastify';
import { type ProblemCode, problems } from '../http/problems.ts';

/** A route as it was declared, with the schema of its requests and answers. */
export type Declared = Pick<RouteOptions, 'method' | 'url' | 'config'> & { readonly schema: FastifySchema };

interface Check {
  /** What is looked at, as the document's description says it. */
  readonly of: string;
  readonly codes: readonly ProblemCode[];
  /** Which routes have this check; without it, none: the request reached no route. */
  readonly on?: (route: Declared) => boolean;
}

const everyRoute = () => true;
const withKey = ({ config }: Declared) => config?.scope !== undefined;
const withBody = ({ schema }: Declared) => schema.body !== undefined;
const withCompany = (route: Declared) => withKey(route) && !route.config?.forAnyCompany;
const withId = ({ url }: Declared) => url.includes('/:id');
const withAgent = ({ config }: Declared) => config?.idOf === 'agent';
const withHeader = (name: string) => (route: Declared) =>
  route.method !== 'GET' && Object.hasOwn(Object(Object(route.schema.headers).properties), name);
const takesIdempotencyKey = withHeader('idempotency-key');

/** The order of checks (contract, section 1): the one table for the description and for the answers of each route. */
const order: readonly Check[] = [
  {
    of: 'the message is well-formed HTTP, within its limits',
    codes: ['MALFORMED_REQUEST', 'REQUEST_TIMEOUT', 'HEADERS_TOO_LARGE'],
    on: everyRoute,
  },
  { of: 'the path is known', codes: ['ROUTE_NOT_FOUND'] },
  { of: 'the path has the method (the header `Allow` lists those it has)', codes: ['METHOD_NOT_ALLOWED'] },
  {
    of: 'the API key is valid; who sends many that are not has to wait',
    codes: ['INVALID_API_KEY', 'RATE_LIMITED'],
    on: withKey,
  },
  { of: 'the API key is not suspended', codes: ['API_KEY_SUSPENDED'], on: withKey },
  { of: 'the API key may be used from the address', codes: ['IP_NOT_ALLOWED'], on: withKey },
  { of: 'the API key is within its rate limits', codes: ['RATE_LIMITED'], on: withKey },
  { of: 'the API key has the scope', codes: ['INSUFFICIENT_PERMISSIONS'], on: withKey },
  {
    of: 'the request acts for one company that the key may touch',
    codes: ['COMPANY_ID_REQUIRED', 'VALIDATION_FAILED', 'COMPANY_ACCESS_DENIED'],
    on: withCompany,
  },
  {
    of: 'media type, size, encoding and JSON of the body',
    codes: ['UNSUPPORTED_MEDIA_TYPE', 'PAYLOAD_TOO_LARGE', 'MALFORMED_BODY'],
    on: withBody,
  },
  { of: 'path, query, headers and body are valid: every fault at once', codes: ['VALIDATION_FAILED'], on: withKey },
  {
    of: 'no other request used the `Idempotency-Key`, and its twin is not under way; one that was answered is answered again',
    codes: ['IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_KEY_IN_USE'],
    on: takesIdempotencyKey,
  },
  {
    of: 'the resource exists and is not deleted; one that an answer given again is about, not erased',
    codes: ['RESOURCE_NOT_FOUND'],
    on: (route) => withId(route) || takesIdempotencyKey(route),
  },
  { of: 'the resource belongs to the company', codes: ['RESOURCE_ACCESS_DENIED'], on: withAgent },
  { of: '`If-Match` and `If-None-Match` hold', codes: ['PRECONDITION_FAILED'], on: withHeader('if-match') },
  { of: 'rules that need stored data hold', codes: ['VALIDATION_FAILED'], on: withBody },
];

/** What can go wrong between any two checks. */
const anywhere: readonly Check[] = [
  { of: 'too many requests wait', codes: ['OVERLOADED'], on: withKey },
  { of: 'the database does not answer in time', codes: ['DATABASE_UNAVAILABLE'], on: withKey },
  { of: 'the server is at fault', codes: ['INTERNAL_ERROR'], on: everyRoute },
];

/** The codes of the problems that a route can answer with, each once. */
export function problemCodesOf(route: Declared): ProblemCode[] {
  const own = [...order, ...anywhere].filter(({ on }) => on?.(route));
  return [...new Set(own.flatMap(({ codes }) => codes))];
}

/** Whether the answer comes from a check behind the rate limits, and says what they are. */
export function tellsLimits(code: ProblemCode): boolean {
  // A body that breaks, or does not come to its end, does so behind them.
  if (order[0]?.codes.includes(code)) return true;
  const place = order.findLastIndex(({ codes }) => codes.includes(code));
  const ofLimits = order.findLastIndex(({ codes }) => codes.includes('RATE_LIMITED'));
  return place >= ofLimits || anywhere.some(({ codes }) => codes.includes(code));
}

/** Both tables as Markdown. */
export function checksInWords(): string {
  const line = ({ of, codes }: Check) => `${of}: ${codes.map(inWords).join(', ')}`;
  return [
    'Each check is answered before the next one is made:',
    order.map((check, position) => `${position + 1}. ${line(check)}`).join('\n'),
    'At any time:',
    anywhere.map((check) => `- ${line(check)}`).join('\n'),
  ].join('\n\n');
}

const inWords = (code: ProblemCode) => `${problems[code].status} \`${code}\``;
