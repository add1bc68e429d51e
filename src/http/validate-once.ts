import { KindGuard, type TObject } from '@sinclair/typebox';
import type { FastifyInstance, FastifyRequest, FastifySchema, preValidationHookHandler } from 'fastify';
import type { Fault, Faults, Place } from './faults.ts';
import { invalid } from './problems.ts';
import { encodingFaults } from './query-encoding.ts';
import { dryRunFaults, headerReader } from './request-headers.ts';
import { compile } from './validation.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Names of all members and parameters that the schemas of routes have, for requests. */
    readonly declaredNames: Set<string>;
  }
}

/** Returns undefined where a request is right. */
type Check = (request: FastifyRequest) => Faults | undefined;

/**
 * Step 9 of the contract's order of checks: each part of a request is judged once, and the faults of all are told
 * together. Done in place of Fastify's validation, which stops at the first part that is wrong.
 * @param app that no route has been added to yet
 */
export function validateOnce(app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true);
  app.decorate('declaredNames', new Set<string>());
  app.decorateRequest('preconditions');
  app.decorateRequest('idempotency', undefined);
  // At the end of the route's own hooks, behind those of its scope: a body that is missing is told before.
  app.addHook('onRoute', (route) => {
    if (!route.schema) return;
    route.preValidation = [...[route.preValidation ?? []].flat(), judge(route.schema)];
    const { params, querystring, headers, body } = route.schema;
    for (const part of [params, querystring, headers, body]) {
      if (part === undefined) continue;
      for (const name of Object.keys(toObjectSchema(part).properties)) app.declaredNames.add(name);
    }
  });
}

/** In the order in which faults are told. */
function judge({ params, querystring, headers, body }: FastifySchema): preValidationHookHandler {
  const checks: Check[] = [];
  if (params !== undefined) checks.push(checkOf(params, 'path', (request) => request.params));
  if (querystring !== undefined) {
    checks.push(checkOf(querystring, 'query', (request) => request.query));
    checks.push((request) => toFaults(encodingFaults(request.url)));
  }
  if (headers !== undefined) {
    const read = headerReader(toObjectSchema(headers));
    checks.push((request) => toFaults(read(request)));
  }
  if (body !== undefined) checks.push(checkOf(body, 'body', (request) => request.body));
  checks.push((request) => toFaults(dryRunFaults(request)));
  return (request, _, done) => {
    const first: Fault[] = [];
    let count = 0;
    for (const check of checks) {
      const faults = check(request);
      if (!faults) continue;
      first.push(...faults.first);
      count += faults.count;
    }
    done(count > 0 ? invalid(first, count) : undefined);
  };
}

function checkOf(schema: unknown, place: Place, read: (request: FastifyRequest) => unknown): Check {
  const validate = compile(toObjectSchema(schema), place);
  return (request) => (validate(read(request)) ? undefined : validate.faults);
}

const toFaults = (first: readonly Fault[]): Faults | undefined =>
  first.length > 0 ? { first, count: first.length } : undefined;

/** @throws Error at the start: a part that is not judged would let anything in */
function toObjectSchema(schema: unknown): TObject {
  if (!KindGuard.IsObject(schema)) throw new Error('the schema of a part of a request must be of the kind Object');
  return schema;
}
