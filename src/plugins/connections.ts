import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyHttpOptions } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors.ts';
import { newRequestId } from './request-log.ts';

/** Milliseconds after which a client that sends too slowly, or nothing, is cut; checked every second. */
const patience = 10_000;

/** Options of the HTTP server that bound what one client may cost. */
export const connectionOptions = {
  connectionTimeout: patience + 1_000,
  requestTimeout: patience,
  keepAliveTimeout: patience,
  forceCloseConnections: 'idle',
  return503OnClosing: false,
  http: {
    headersTimeout: patience,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16 * 1024,
    // A missing Host is answered below, in the one error shape.
    requireHostHeader: false,
  },
} as const satisfies FastifyHttpOptions<Server>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether a shutdown has begun. */
    draining(): boolean;
  }
}

/** For each open connection, the response to the last request that began on it. */
type Connections = Map<Socket, ServerResponse | undefined>;

/**
 * What the router never sees: malformed HTTP, expectations, and connections at a shutdown. Every message gets an answer
 * in the one error shape; at a shutdown, connections without a running request are closed and the others after theirs.
 */
export const connections = fp(async (app) => {
  const open: Connections = new Map();
  let draining = false;
  app.decorate('draining', () => draining);

  app.server.on('connection', (socket: Socket) => {
    open.set(socket, undefined);
    socket.once('close', () => open.delete(socket));
  });
  app.server.on('request', (request: IncomingMessage, response: ServerResponse) => open.set(request.socket, response));
  // Node would ask for the body, or refuse, before the request has been judged.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  app.server.on('connect', (_, socket: Socket) => refuse(socket, malformed('CONNECT is not supported.'), app.log));
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    answerBrokenMessage(error, socket, open.get(socket), app.log);
  });

  app.addHook('onRequest', async ({ raw }, reply) => {
    if (draining) reply.header('connection', 'close');
    checkMessage(raw);
  });
  app.addHook('onSend', async (_, reply) => {
    if (draining) reply.header('connection', 'close');
  });
  app.addHook('preClose', async () => {
    draining = true;
    for (const [socket, response] of open) if (!response || response.writableFinished) socket.destroy();
  });
});

const malformed = (detail: string) => new ApiError('MALFORMED_REQUEST', { detail });

function checkMessage({ rawHeaders, httpVersion, headers }: IncomingMessage): void {
  const hosts = rawHeaders.filter((entry, index) => index % 2 === 0 && entry.toLowerCase() === 'host').length;
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) throw malformed('Send exactly one Host header.');
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    throw malformed('The only expectation that is supported is "Expect: 100-continue".');
  }
}

/**
 * The parser gave up on a connection. Its bytes may belong to a request that is being answered, or to one behind it:
 * the client must not take this answer for that of another request.
 */
function answerBrokenMessage(
  error: NodeJS.ErrnoException,
  socket: Socket,
  response: ServerResponse | undefined,
  log: FastifyBaseLogger,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
  } else if (!response || (response.writableFinished && response.req.complete)) {
    refuse(socket, toApiError(error), log);
  } else if (response.req.complete) {
    response.once('close', () => refuse(socket, toApiError(error), log));
  } else if (response.headersSent) {
    socket.destroy();
  } else {
    refuse(socket, toApiError(error), log);
  }
}

function toApiError({ code }: NodeJS.ErrnoException): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ApiError('HEADERS_TOO_LARGE');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('REQUEST_TIMEOUT');
  return new ApiError('MALFORMED_REQUEST');
}

function refuse(socket: Socket, error: ApiError, log: FastifyBaseLogger): void {
  if (!socket.writable) return;
  const requestId = newRequestId();
  const body = JSON.stringify(error.problem('', requestId));
  const lines = [
    `HTTP/1.1 ${error.status} ${error.code}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  log.info({ status: error.status, code: error.code, requestId }, 'malformed');
}
