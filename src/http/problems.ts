import { type Static, Type } from '@sinclair/typebox';
import { type Fault, faultSchema, listedFaults, placeOf } from './faults.ts';
import { maxBodyBytes, maxHeaderBytes, maxHeaders } from './size-limits.ts';
import { StacklessError } from './stackless-error.ts';

/**
 * Every problem the server can answer with (docs/contract.md#errors). The closed list from which the error handler, the
 * OpenAPI document and the README's list are made. `detail` is the text for the cases that have only one.
 */
export const problems = {
  MALFORMED_REQUEST: { status: 400, title: 'The request cannot be read', detail: 'The message is not valid HTTP.' },
  MALFORMED_BODY: {
    status: 400,
    title: 'The body cannot be read',
    detail: 'The body must be one JSON value in UTF-8.',
  },
  VALIDATION_FAILED: { status: 400, title: 'The request is not valid', detail: 'The request is not valid.' },
  COMPANY_ID_REQUIRED: {
    status: 400,
    title: 'The company is missing',
    detail: 'This API key acts for several companies: add ?companyId=… to the address. GET /companies lists their ids.',
  },
  INVALID_API_KEY: {
    status: 401,
    title: 'The API key is not valid',
    detail: 'Send one valid API key as "Authorization: Bearer sk_…".',
  },
  API_KEY_SUSPENDED: {
    status: 401,
    title: 'The API key is suspended',
    detail: 'This API key is suspended. Whoever issued it can resume it.',
  },
  IP_NOT_ALLOWED: {
    status: 403,
    title: 'The address is not allowed',
    detail: 'This API key must not be used from this address.',
  },
  INSUFFICIENT_PERMISSIONS: {
    status: 403,
    title: 'The API key lacks a scope',
    detail: 'This API key lacks a scope that the request needs.',
  },
  COMPANY_ACCESS_DENIED: {
    status: 403,
    title: 'The company is not accessible',
    detail: 'This API key does not act for the company in companyId. GET /companies lists those that it acts for.',
  },
  RESOURCE_ACCESS_DENIED: {
    status: 403,
    title: 'The resource is not accessible',
    detail: 'The resource does not belong to the company that the request acts for.',
  },
  ROUTE_NOT_FOUND: { status: 404, title: 'There is no such route', detail: 'No route has this path.' },
  RESOURCE_NOT_FOUND: {
    status: 404,
    title: 'The resource does not exist',
    detail: 'The resource does not exist or has been deleted.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'The method is not allowed',
    detail: 'This path has other methods; the Allow header lists them.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: 'The request took too long to arrive',
    detail: 'The request was not complete in time. Send it again.',
  },
  IDEMPOTENCY_KEY_IN_USE: {
    status: 409,
    title: 'The idempotency key is in use',
    detail: 'A request with this Idempotency-Key is still under way. Send this one again later.',
  },
  PRECONDITION_FAILED: {
    status: 412,
    title: 'The precondition failed',
    detail: 'The resource has another version than If-Match demands; ETag tells which. Read it again, then decide.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    title: 'The body is too large',
    detail: `A body may have at most ${maxBodyBytes} bytes.`,
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'The media type is not supported',
    detail: 'Send the body with Content-Type: application/json, or application/merge-patch+json.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'The idempotency key was used before',
    detail: 'This Idempotency-Key belongs to another request. Use a new key for a new request.',
  },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    detail: 'The rate limit is reached. Wait for the seconds in Retry-After.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: 'The headers are too large',
    detail: `The request line and headers together may have at most ${maxHeaderBytes} bytes, in at most ${maxHeaders} headers.`,
  },
  INTERNAL_ERROR: {
    status: 500,
    title: 'The server failed',
    detail: 'The server failed. Report the requestId if this lasts.',
  },
  OVERLOADED: {
    status: 503,
    title: 'The server is overloaded',
    detail: 'Too many requests are waiting. Send this one again later.',
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    title: 'The database is not available',
    detail:
      'The database did not answer in time: send the request again. A change may have been saved all the same: send it with the ' +
      'same Idempotency-Key, or, if it changes an agent, with If-Match.',
  },
} as const;

export type ProblemCode = keyof typeof problems;
export const isProblemCode = (name: string): name is ProblemCode => Object.hasOwn(problems, name);

/** The path of the page that explains a problem. */
export const problemPath = (code: ProblemCode) => `/problems/${code.toLowerCase().replaceAll('_', '-')}`;

/** The one shape of every error: problem details (RFC 9457) with our own members. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'The kind of problem, as a path of this server that explains it' }),
    title: Type.String({ description: 'The kind of problem, in words' }),
    status: Type.Integer({ description: 'The status of the answer' }),
    // Not by `oneOf`: TypeScript gives the names of an object's members as plain text.
    code: Type.Unsafe<ProblemCode>({ type: 'string', enum: Object.keys(problems), description: 'The kind of problem' }),
    detail: Type.String({ description: 'What went wrong with this request, for people' }),
    instance: Type.String({ description: 'The path of the request, without query; empty where it was not read' }),
    requestId: Type.String({ description: 'The value of X-Request-Id, under which the log has the request' }),
    errors: Type.Optional(Type.Array(faultSchema, { maxItems: listedFaults, description: 'The first faults' })),
  },
  { $id: 'Problem' },
);
export type Problem = Static<typeof problemSchema>;

interface Particulars {
  readonly detail?: string | undefined;
  readonly faults?: readonly Fault[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Logged with the request id, never part of an answer. */
  readonly cause?: unknown;
}

/** The only error that becomes an answer other than 500. Thrown anywhere, mapped to an answer in error-handler.ts. */
export class ApiError extends StacklessError {
  readonly code: ProblemCode;
  readonly status: number;
  readonly faults: readonly Fault[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, { detail = problems[code].detail, faults, headers = {}, cause }: Particulars = {}) {
    super(detail, { cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = problems[code].status;
    this.faults = faults;
    this.headers = headers;
  }

  /**
   * The body of the answer to one request.
   * @param instance the request's path, without its query; empty if it was not read
   * @param prefix of the paths that clients use (PUBLIC_URL)
   */
  problem(instance: string, requestId: string, prefix = ''): Problem {
    const { code, status, message: detail, faults } = this;
    const type = prefix + problemPath(code);
    const { title } = problems[code];
    const problem = { type, title, status, code, detail, instance: instance && prefix + instance, requestId };
    return faults ? { ...problem, errors: faults.slice(0, listedFaults) } : problem;
  }
}

/** 400 with the faults of path, query, headers and body together; `first` must not be empty. */
export function invalid(first: readonly Fault[], count = first.length): ApiError {
  const shown = first.slice(0, 3).map((fault) => `${placeOf(fault)} ${fault.detail}`.slice(0, 300).toWellFormed());
  const more = count > shown.length ? '; …' : '';
  const problems = count === 1 ? '1 problem' : `${count} problems`;
  return new ApiError('VALIDATION_FAILED', { detail: `${problems}: ${shown.join('; ')}${more}`, faults: first });
}

/** 503 because of the database, with Retry-After in seconds. */
export const databaseUnavailable = (cause: unknown) =>
  new ApiError('DATABASE_UNAVAILABLE', { headers: { 'retry-after': '1' }, cause });

/** The same for a call that got no answer within its time limit. */
export const timedOut = () => databaseUnavailable(new Error('no answer in time'));

/** 503 because too many requests wait; nothing of this one was carried out. */
export const overloaded = () => new ApiError('OVERLOADED', { headers: { 'retry-after': '1' } });
