import { KindGuard, type TObject } from '@sinclair/typebox';
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import type { Fault, Faults, RequestPart } from './faults.ts';
import { invalid } from './problems.ts';
import { encodingFaults } from './query-encoding.ts';
import { dryRunFaults, headerReader } from './request-headers.ts';
import { compile } from './validation.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Names of all members and parameters in the request schemas of all routes. */
    readonly declaredNames: Set<string>;
  }
}

/** Checks one part of a request; returns its faults, undefined if there are none. */
type PartCheck = (request: FastifyRequest) => Faults | undefined;

/**
 * Check 9 (docs/contract.md#the-order-of-checks): validates path, query, headers and body, and reports the faults of all
 * parts together. Replaces Fastify's validation, which stops at the first part with a fault.
 * @param app without any routes yet
 */
export function validateOnce(app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true);
  app.decorate('declaredNames', new Set<string>());
  app.decorateRequest('preconditions');
  app.decorateRequest('idempotency', undefined);
  // Around the handler itself: what other plugins put around it, such as the parsing of the body (check 8), comes before.
  app.addHook('onRoute', (route) => {
    const { schema, handler } = route;
    if (!schema) return;
    const validate = validatorOf(schema);
    route.handler = function (request, reply) {
      validate(request);
      return handler.call(this, request, reply);
    };
    const { params, querystring, headers, body } = schema;
    for (const part of [params, querystring, headers, body]) {
      if (part === undefined) continue;
      for (const name of Object.keys(toObjectSchema(part).properties)) app.declaredNames.add(name);
    }
  });
}

/**
 * The order of the checks is the order of the faults in the answer.
 * @returns a function that validates a request, and throws ApiError VALIDATION_FAILED
 */
function validatorOf({ params, querystring, headers, body }: FastifySchema): (request: FastifyRequest) => void {
  const checks: PartCheck[] = [];
  if (params !== undefined) checks.push(checkOf(params, 'path', (request) => request.params));
  if (querystring !== undefined) {
    checks.push(checkOf(querystring, 'query', (request) => request.query));
    checks.push((request) => counted(encodingFaults(request.url)));
  }
  if (headers !== undefined) {
    const read = headerReader(toObjectSchema(headers));
    checks.push((request) => counted(read(request)));
  }
  if (body !== undefined) checks.push(checkOf(body, 'body', (request) => request.body));
  checks.push((request) => counted(dryRunFaults(request)));
  return (request) => {
    const first: Fault[] = [];
    let count = 0;
    for (const check of checks) {
      const faults = check(request);
      if (!faults) continue;
      first.push(...faults.first);
      count += faults.count;
    }
    if (count > 0) throw invalid(first, count);
  };
}

function checkOf(schema: unknown, place: RequestPart, read: (request: FastifyRequest) => unknown): PartCheck {
  const validate = compile(toObjectSchema(schema), place);
  return (request) => (validate(read(request)) ? undefined : validate.faults);
}

const counted = (first: readonly Fault[]): Faults | undefined =>
  first.length > 0 ? { first, count: first.length } : undefined;

/** @throws Error at the start of the server if a part has another schema: it would not be validated */
function toObjectSchema(schema: unknown): TObject {
  if (!KindGuard.IsObject(schema)) throw new Error('the schema of a part of a request must be of the kind Object');
  return schema;
}
