import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { complaints, type Fault, inParameter } from './faults.ts';
import { fingerprint, type Idempotency, readIdempotencyKey } from './idempotency-key.ts';
import { isRecord } from './json.ts';

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
});

/** A dry run leaves nothing that could be repeated. Neither header nor query shows it alone. To be called once the query is read. */
export function dryRunFaults({ headers, query }: FastifyRequest): readonly Fault[] {
  const isDryRun = headers['idempotency-key'] !== undefined && isRecord(query) && query['dryRun'] === true;
  return isDryRun ? [inParameter('header', 'idempotency-key', complaints.notOnDryRun())] : [];
}

function idempotencyOf({ method, url, headers, bodyBytes: body }: FastifyRequest): Idempotency | undefined {
  const key = readIdempotencyKey(String(headers['idempotency-key'] ?? ''));
  if (key === undefined) return undefined;
  return { key, fingerprint: fingerprint({ method, url, ifMatch: headers['if-match'], body }) };
}
