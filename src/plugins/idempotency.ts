import type { FastifyRequest, FastifySchema, preValidationHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { type ApiError, invalid } from '../errors.ts';
import { complaints, inParameter } from '../faults.ts';
import { fingerprint, type Idempotency, readIdempotencyKey } from '../idempotency.ts';
import { allFaults } from './error-handler.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** That the request may be sent again, by its header Idempotency-Key; undefined without it. */
    readonly idempotency: Idempotency | undefined;
  }
}

/** The header Idempotency-Key, on routes that take it. */
export const idempotency = fp(async (app) => {
  app.decorateRequest('idempotency', {
    getter() {
      return idempotencyOf(this);
    },
  });
  app.addHook('onRoute', (route) => {
    const mayBeDry = takes(route.schema?.headers, 'idempotency-key') && takes(route.schema?.querystring, 'dryRun');
    if (mayBeDry) route.preValidation = [...[route.preValidation ?? []].flat(), refuseOnDryRun];
  });
});

/** A dry run leaves nothing that could be repeated. Neither header nor query shows it alone. */
const refuseOnDryRun: preValidationHookHandler = (request, _, done) => {
  const isDryRun = request.headers['idempotency-key'] !== undefined && Object(request.query).dryRun === 'true';
  done(isDryRun ? onDryRun(request) : undefined);
};

function onDryRun(request: FastifyRequest): ApiError {
  const { first, count } = allFaults(request);
  return invalid([...first, inParameter('header', 'idempotency-key', complaints.notOnDryRun())], count + 1);
}

const takes = (part: FastifySchema[keyof FastifySchema], name: string) =>
  Object.hasOwn(Object(Object(part).properties), name);

function idempotencyOf({ method, url, headers, bodyBytes: body }: FastifyRequest): Idempotency | undefined {
  const key = readIdempotencyKey(String(headers['idempotency-key'] ?? ''));
  if (key === undefined) return undefined;
  return { key, fingerprint: fingerprint({ method, url, ifMatch: headers['if-match'], body }) };
}
