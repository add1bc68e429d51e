import { KindGuard, type TObject } from '@sinclair/typebox';
import type { FastifyInstance, FastifySchema, preValidationHookHandler } from 'fastify';
import type { Place } from './faults.ts';
import { dryRunFaults } from './idempotency.ts';
import { invalid } from './problems.ts';
import { encodingFaults } from './query-encoding.ts';
import { compile } from './validation.ts';

/** The parts of a request in the order in which their faults are told: place, name in a route's schema, name in a request. */
const parts = [
  ['path', 'params', 'params'],
  ['query', 'querystring', 'query'],
  ['header', 'headers', 'headers'],
  ['body', 'body', 'body'],
] as const satisfies readonly (readonly [Place, keyof FastifySchema, string])[];

/**
 * Step 9 of the contract's order of checks: each part of a request is judged once, and the faults of all are told
 * together. Done in place of Fastify's validation, which stops at the first part that is wrong.
 * @param app that no route has been added to yet
 */
export function validateOnce(app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true);
  // At the end of the route's own hooks, behind those of its scope: a body that is missing is told before.
  app.addHook('onRoute', (route) => {
    if (route.schema) route.preValidation = [...[route.preValidation ?? []].flat(), judge(route.schema)];
  });
}

function judge(schema: FastifySchema): preValidationHookHandler {
  const checks = parts.flatMap(([place, part, name]) => {
    const ofPart = schema[part];
    return ofPart === undefined ? [] : [{ name, validate: compile(toObjectSchema(ofPart), place) }];
  });
  return (request, _, done) => {
    const found = checks.flatMap(({ name, validate }) => (validate(request[name]) ? [] : [validate.faults]));
    const others = [...encodingFaults(request.url), ...dryRunFaults(request)];
    const count = found.reduce((sum, faults) => sum + faults.count, others.length);
    const first = () => [...found.flatMap((faults) => faults.first), ...others];
    done(count > 0 ? invalid(first(), count) : undefined);
  };
}

/** @throws Error at the start: a part that is not judged would let anything in */
function toObjectSchema(schema: unknown): TObject {
  if (!KindGuard.IsObject(schema)) throw new Error('the schema of a part of a request must be of the kind Object');
  return schema;
}
