import proxyAddr from '@fastify/proxy-addr';
import { type FastifyError, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import fp from 'fastify-plugin';
import { callerAddress, type trustedProxy } from './address.ts';
import { exchangeOf } from './exchange.ts';
import { isMisrouted, methodMissing } from './known-paths.ts';
import { routeMissing } from './particular-problems.ts';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';

/** Turns every error that is thrown into problem details (docs/contract.md#errors). The only place that does so. */
export const errorHandler = fp(async (app) => {
  app.setErrorHandler((error: FastifyError, request, reply) => answer(toApiError(error), request, reply));
  // In onRequest: answer 404 or 405 before reading the body.
  app.addHook('onRequest', (request, _, done) => {
    if (!request.is404 && !isMisrouted(request)) return done();
    const known = app.knownPath(request.url);
    done(known ? methodMissing(known) : routeMissing(pathOf(request)));
  });
});

/**
 * Answers a request whose path the router cannot decode. Fastify runs no hooks for it and does not apply `trustProxy`, so the
 * headers and the address are set here, the address by the package that Fastify uses.
 */
export const answerUnroutable =
  (isProxy: ReturnType<typeof trustedProxy>) =>
  (_: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const error = new ApiError('MALFORMED_REQUEST', { detail: problemTexts.pathEncoding });
    exchangeOf(request.raw).address = callerAddress(proxyAddr(request.raw, isProxy)) ?? null;
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff' });
    answer(error, request, reply);
  };

/**
 * Logs why a response was aborted after its status had been sent; that a key or grant has ended is no error of the server. Not
 * logged if the client closed the connection.
 */
export class AbortedResponses extends LogController {
  override streamError(error: FastifyError, request: FastifyRequest): void {
    if (error.code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    const { code, status, cause } = toApiError(error);
    if (status < 500) request.log.info({ requestId: request.id, reason: cause }, code);
    else request.log.error({ requestId: request.id, err: error }, code);
  }
}

const pathOf = ({ url }: FastifyRequest) => url.split('?', 1)[0] ?? '';

function answer(error: ApiError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  exchangeOf(request.raw).problem = error;
  if (error.code === 'INTERNAL_ERROR') {
    request.log.error({ requestId: request.id, err: error.cause, stack: error.cause }, error.code);
  }
  const problem = error.problem(pathOf(request), request.id, request.server.publicUrl.prefix);
  // Sent as bytes: to a string Fastify adds a charset, which `application/problem+json` does not have.
  const bytes = Buffer.from(JSON.stringify(problem));
  return reply.code(error.status).headers(error.headers).type('application/problem+json').send(bytes);
}

function toApiError(error: FastifyError): ApiError {
  if (error instanceof ApiError) return error;
  // The client closed the connection while sending the body: an answer for the log, without a cause.
  return error.code === 'ECONNRESET'
    ? new ApiError('MALFORMED_BODY', { detail: problemTexts.bodyIncomplete })
    : new ApiError('INTERNAL_ERROR', { cause: error });
}
