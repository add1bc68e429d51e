import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { rateLimitHeaders } from '../auth/rate-limit-headers.ts';
import { ApiError } from '../errors.ts';
import { noteProblem } from './logged-problem.ts';
import { newRequestId, requestIdOf } from './request-log.ts';
import { untilQuiet } from './until-quiet.ts';

/** Milliseconds after which a client that sends too slowly, or nothing, is cut. */
const patience = 10_000;

/** Milliseconds during which what a refused client still sends is read: a reset could overtake the answer. */
const afterlife = 1_000;

/** Options of the HTTP server that bound what one client may cost. */
export const connectionOptions = {
  connectionTimeout: patience + 1_000,
  requestTimeout: patience,
  keepAliveTimeout: patience,
  forceCloseConnections: 'idle',
  return503OnClosing: false,
  // Fastify's own would answer first, in a shape of its own.
  clientErrorHandler: () => {},
  http: {
    headersTimeout: patience,
    // Often, so that many slow clients are not cut in one go, which would hold up the others.
    connectionsCheckingInterval: 100,
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

/** For each open connection, the responses that are not sent yet, oldest first, and the last one in any case. */
type Connections = Map<Socket, readonly ServerResponse[]>;

const isUnsent = (response: ServerResponse) => !response.writableFinished;

/**
 * What the router never sees: malformed HTTP, expectations, and connections at a shutdown. Every message gets an answer
 * in the one error shape; at a shutdown what has arrived is served, connections without a running request are closed and
 * the others after theirs.
 */
export const connections = fp(async (app) => {
  const open: Connections = new Map();
  const broken = new WeakSet<Socket>();
  let draining = false;
  let closesIdle = false;
  let arrivals = 0;
  app.decorate('draining', () => draining);

  const closeIfIdle = (socket: Socket) => {
    if (closesIdle && !open.get(socket)?.some(isUnsent)) socket.destroySoon();
  };
  app.server.on('connection', (socket: Socket) => {
    open.set(socket, []);
    arrivals += 1;
    // Node takes its own listener away from a socket that asks for CONNECT; an error without one ends the process.
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    closeIfIdle(socket);
  });
  app.server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    open.set(socket, [...(open.get(socket) ?? []).filter(isUnsent), response]);
    arrivals += 1;
    response.once('close', () => closeIfIdle(socket));
  });
  // Node would ask for the body, or refuse, before the request has been judged.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  const breakOff = (socket: Socket, error: ApiError) => {
    if (broken.has(socket)) return;
    broken.add(socket);
    answerBrokenMessage(socket, error, open.get(socket) ?? [], app.log);
  };
  app.server.on('connect', (_, socket: Socket) => {
    socket.resume();
    breakOff(socket, malformed('CONNECT is not supported.'));
  });
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else breakOff(socket, toApiError(error));
  });

  app.addHook('onRequest', ({ raw }, _, done) => done(faultOf(raw)));
  // Behind the hooks of the route's own scope: the body is asked for when nothing speaks against it.
  app.addHook('onRoute', (route) => {
    route.preParsing = [...[route.preParsing ?? []].flat(), askForBody];
  });
  app.addHook('onSend', ({ raw }, reply, _, done) => {
    // Fastify says it to all that arrive meanwhile: an answer with others behind it would cut those off.
    if (draining && open.get(raw.socket)?.at(-1) === reply.raw) reply.header('connection', 'close');
    else if (draining) reply.removeHeader('connection');
    done();
  });
  app.addHook('preClose', async () => {
    draining = true;
    await untilQuiet(() => arrivals);
    closesIdle = true;
    for (const socket of open.keys()) closeIfIdle(socket);
  });
});

const malformed = (detail: string) => new ApiError('MALFORMED_REQUEST', { detail });

function faultOf({ rawHeaders, httpVersion, headers }: IncomingMessage): ApiError | undefined {
  if (!httpVersion.startsWith('1.')) return malformed('Send HTTP/1.1.');
  const hosts = countHeader(rawHeaders, 'host');
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return malformed('Send exactly one Host header.');
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return malformed('The only expectation that is supported is "Expect: 100-continue".');
  }
  return undefined;
}

/** How often a header was sent: of some, Node keeps the first and hides the others. Names and values take turns. */
export function countHeader(rawHeaders: readonly string[], name: string): number {
  let times = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at];
    if (sent?.length === name.length && sent.toLowerCase() === name) times += 1;
  }
  return times;
}

async function askForBody({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (raw.headers.expect !== undefined && raw.httpVersion === '1.1') reply.raw.writeContinue();
}

/**
 * The parser gave up on a connection. The bytes it choked on belong to the body of the last request, or to a message
 * behind it. Requests that were whole are answered first, so that no client takes this answer for that of another.
 */
function answerBrokenMessage(
  socket: Socket,
  error: ApiError,
  responses: readonly ServerResponse[],
  log: FastifyBaseLogger,
): void {
  const ofBroken = responses.find(({ req }) => !req.complete);
  const isAwaited = (response: ServerResponse) => isUnsent(response) && (response !== ofBroken || response.headersSent);
  const conclude = (): void => {
    const awaited = responses.findLast(isAwaited);
    if (awaited) awaited.once('close', conclude);
    else if (ofBroken?.headersSent) hangUp(socket);
    else refuse(socket, error, ofBroken, log);
  };
  conclude();
}

function toApiError({ code }: NodeJS.ErrnoException): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ApiError('HEADERS_TOO_LARGE');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('REQUEST_TIMEOUT');
  return new ApiError('MALFORMED_REQUEST');
}

/** @param response of the request whose body is broken, when it is the body */
function refuse(socket: Socket, error: ApiError, response: ServerResponse | undefined, log: FastifyBaseLogger): void {
  const requestId = response ? requestIdOf(response.req) : newRequestId();
  // A body belongs to a request, whose own line in the log tells of it.
  if (response) {
    response.statusCode = error.status;
    noteProblem(response.req, error);
  } else log.info({ status: error.status, code: error.code, requestId }, 'malformed');
  const body = JSON.stringify(error.problem(response?.req.url?.split('?', 1)[0] ?? '', requestId));
  const lines = [
    `HTTP/1.1 ${error.status} ${error.code}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    ...Object.entries(response ? rateLimitHeaders(response.req) : {}).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  hangUp(socket, `${lines.join('\r\n')}\r\n\r\n${body}`);
}

function hangUp(socket: Socket, lastWords = ''): void {
  socket.end(lastWords);
  const timer = setTimeout(() => socket.destroy(), afterlife);
  socket.once('close', () => clearTimeout(timer));
}
