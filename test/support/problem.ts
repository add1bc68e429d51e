import { expect } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import { problemTexts } from '../../src/http/problem-texts.ts';
import { type ProblemCode, problems } from '../../src/http/problems.ts';
import type { Answer } from './http.ts';

/** The closed list of codes (docs/contract.md#errors). */
export const statuses: Readonly<Record<ProblemCode, number>> = {
  MALFORMED_REQUEST: 400,
  MALFORMED_BODY: 400,
  VALIDATION_FAILED: 400,
  COMPANY_ID_REQUIRED: 400,
  INVALID_API_KEY: 401,
  API_KEY_SUSPENDED: 401,
  IP_NOT_ALLOWED: 403,
  INSUFFICIENT_PERMISSIONS: 403,
  COMPANY_ACCESS_DENIED: 403,
  RESOURCE_ACCESS_DENIED: 403,
  ROUTE_NOT_FOUND: 404,
  RESOURCE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  IDEMPOTENCY_KEY_IN_USE: 409,
  IDEMPOTENCY_KEY_REUSED: 422,
  PRECONDITION_FAILED: 412,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  HEADERS_TOO_LARGE: 431,
  RATE_LIMITED: 429,
  INTERNAL_ERROR: 500,
  OVERLOADED: 503,
  DATABASE_UNAVAILABLE: 503,
};

export interface ExpectedProblem {
  readonly code: ProblemCode;
  /** The path of the request, without its query. */
  readonly instance: string;
  /** If the code has more than one text. */
  readonly detail?: string;
  /** The faults listed, for VALIDATION_FAILED. */
  readonly errors?: readonly Fault[];
  /** The number of faults, if not all are listed. */
  readonly count?: number;
}

/** Compares a whole error answer: status, every member of its body, its media type and its request id. */
export function expectProblem(answer: Answer, { code, instance, detail, errors, count }: ExpectedProblem): void {
  const requestId = answer.headers['x-request-id'];
  expect(requestId).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect({ status: answer.status, body: answer.body }).toEqual({
    status: statuses[code],
    body: {
      type: `/problems/${code.toLowerCase().replaceAll('_', '-')}`,
      title: problems[code].title,
      status: statuses[code],
      code,
      detail: detail ?? (errors ? summary(errors, count ?? errors.length) : usualDetail(code, answer, instance)),
      instance,
      requestId,
      ...(errors && { errors }),
    },
  });
}

/** The default text of a code. For RESOURCE_NOT_FOUND that of an agent. */
function usualDetail(code: ProblemCode, { headers }: Answer, path: string): string {
  if (code === 'ROUTE_NOT_FOUND' && /\/\/|[^/]\/$/.test(path)) return problemTexts.pathPartEmpty;
  if (code === 'ROUTE_NOT_FOUND' && /[A-Z]/.test(path)) return problemTexts.pathCase;
  if (code === 'RESOURCE_NOT_FOUND') return problemTexts.agentMissing;
  if (code === 'METHOD_NOT_ALLOWED') return problemTexts.methodNotAllowed(String(headers['allow']));
  return problems[code].detail;
}

const placeOf = ({ pointer, parameter }: Fault) => (pointer === '#' ? 'the body' : (pointer ?? parameter));

/** The count of the faults and the first three of them. */
function summary(errors: readonly Fault[], count: number): string {
  const first = errors.slice(0, 3).map((fault) => `${placeOf(fault)} ${fault.detail}`.slice(0, 300));
  return `${count} problem${count === 1 ? '' : 's'}: ${first.join('; ')}${count > 3 ? '; …' : ''}`;
}

/** Checks the form that all problems have. */
export function expectProblemShape(answer: Answer, instance: string): void {
  const { status, headers, body } = answer;
  const fault = {
    in: expect.stringMatching(/^(?:body|path|query|header)$/),
    code: expect.stringMatching(/^[a-z_]+$/),
    detail: expect.stringMatching(/./),
  };
  const errors = listed(body);
  expect(headers['content-type']).toBe('application/problem+json');
  expect(body).toEqual({
    type: expect.stringMatching(/^\/problems\/[a-z-]+$/),
    title: expect.stringMatching(/./),
    status,
    code: expect.stringMatching(/^[A-Z_]+$/),
    detail: expect.stringMatching(/./),
    instance,
    requestId: headers['x-request-id'],
    ...(errors && { errors: errors.map(() => expect.objectContaining(fault)) }),
  });
}

/** The faults that an error answer lists; undefined where it has no such member. */
function listed(body: unknown): readonly unknown[] | undefined {
  if (typeof body !== 'object' || body === null || !('errors' in body)) return undefined;
  return Array.isArray(body.errors) ? body.errors : undefined;
}
