import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { logOptions } from '../../src/process/log-options.ts';
import { openStandardStream } from '../../src/process/standard-stream.ts';
import type { Admitted } from './peer.ts';

// Every contestant logs as the server does: a line with the same members for each request, to the same kind of stream.

export const logger = pino(logOptions('info', `peer-${process.pid}`), openStandardStream(1));

/** The values in the log line of a request. */
interface Answered {
  readonly requestId: string;
  readonly method: string;
  readonly route: string | null;
  readonly status: number;
  readonly ms: number;
  readonly caller: Admitted | undefined;
  readonly agentId: string | null;
  readonly address: string | null;
}

export function logAnswer({ requestId, method, route, status, ms, caller, agentId, address }: Answered): void {
  const { keyId = null, companyId = null } = caller ?? {};
  const time = Math.round(ms * 10) / 10;
  logger.info(
    { requestId, method, route, status, code: null, ms: time, keyId, companyId, agentId, address },
    'request',
  );
}

/**
 * Logs each request of a Fastify.
 * @param callerOf the caller of a request
 */
export function logRequests(app: FastifyInstance, callerOf: (request: object) => Admitted | undefined): void {
  app.addHook('onResponse', async (request, reply) => {
    logAnswer({
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      ms: reply.elapsedTime,
      caller: callerOf(request),
      agentId: idIn(request.params),
      address: request.ip,
    });
  });
}

const idIn = (params: unknown) =>
  typeof params === 'object' && params !== null && 'id' in params ? String(params.id) : null;
