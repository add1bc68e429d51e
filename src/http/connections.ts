import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { onSendHookHandler, preParsingHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { begun, over } from './bounded-server.ts';
import { brokenMessages } from './broken-message.ts';
import { closeAfterBody, endConnection } from './end-connection.ts';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';
import { type Connection, requestQueue } from './request-queue.ts';
import { maxHeaders } from './size-limits.ts';
import { slowReaders } from './slow-readers.ts';
import { untilQuiet } from './until-quiet.ts';

/** Milliseconds between two searches for slow readers. */
const searchInterval = 1_000;

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether a shutdown has begun. */
    draining(): boolean;
    /** Closes all connections at once, with what is running on them, and from then on each that is accepted. */
    closeConnections(): void;
  }
}

/**
 * Handles what happens before and beside the router: the queue of requests, slow readers, malformed HTTP, `Expect`, and
 * connections during a shutdown. Every malformed message is answered with a problem. During a shutdown, requests that have
 * arrived are served; a connection is closed when it has no request left.
 */
export const connections = fp(async (app) => {
  let draining = false;
  let closesIdle = false;
  let closesAll = false;
  let arrivals = 0;
  app.decorate('draining', () => draining);

  const closeIfIdle = ({ socket, isRunning, held }: Connection) => {
    if (closesIdle && !isRunning && held.length === 0) socket.destroySoon();
  };
  const queue = requestQueue({
    begin: (response) => app.server.emit(begun, response.req, response),
    end: (response) => app.server.emit(over, response.req, response),
    onIdle(connection) {
      broken.conclude(connection);
      closeIfIdle(connection);
    },
  });
  // `closeAllConnections` of Node does not know the connections on which CONNECT has arrived.
  app.decorate('closeConnections', () => {
    closesAll = true;
    for (const { socket } of queue.connections()) socket.destroy();
  });
  const broken = brokenMessages(queue, app.log, app.publicUrl.prefix);

  app.server.on('connection', (socket: Socket) => {
    arrivals += 1;
    // Node removes its own error listener after a CONNECT request; an error without a listener would end the process.
    socket.on('error', () => {});
    queue.add(socket);
    closeAfterBody(socket, () => queue.of(socket)?.last?.req);
    if (closesAll) socket.destroy();
    else if (closesIdle) socket.destroySoon();
  });
  app.server.on('request', (_: IncomingMessage, response: ServerResponse) => {
    arrivals += 1;
    queue.take(response);
  });
  // Without these listeners, Node would answer `Expect` itself (100 or 417) before the request has been checked.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  app.server.on('connect', (_, socket: Socket) => {
    socket.resume();
    // Node has removed its own listener; without one, an answer that is sent in portions would stop.
    socket.on('drain', () => queue.of(socket)?.last?.emit('drain'));
    broken.breakOff(socket, malformed(problemTexts.connectMethod));
  });
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else broken.breakOff(socket, malformedMessage(error));
  });

  const findSlow = slowReaders();
  const cutSlow = () => {
    for (const socket of findSlow(queue.connections(), performance.now())) socket.destroy();
  };
  const searching = setInterval(cutSlow, searchInterval).unref();
  app.addHook('onClose', async () => clearInterval(searching));

  app.addHook('onRequest', ({ raw }, _, done) => done(faultOf(raw)));
  // After the hooks of the route's scope: `100 Continue` is sent once the checks before the body have passed.
  app.addHook('onRoute', (route) => {
    route.preParsing = [...[route.preParsing ?? []].flat(), askForBody];
    // Behind Fastify's own hook of HEAD routes, which gives a 304 the length of an empty body.
    if (route.method === 'HEAD') route.onSend = [...[route.onSend ?? []].flat(), omitLengthOf304];
  });
  app.addHook('onSend', ({ raw }, reply, _, done) => {
    // Fastify adds `Connection: close` to every answer during a shutdown. With further requests on the connection, also those
    // that have arrived and are not read yet, it must not be sent: they would not be answered.
    if (closesIdle && !queue.of(raw.socket)?.held.length) reply.header('connection', 'close');
    else if (draining) reply.removeHeader('connection');
    done();
  });
  app.addHook('preClose', async () => {
    draining = true;
    await untilQuiet(() => arrivals);
    closesIdle = true;
    for (const connection of queue.connections()) {
      // The request is answered, and only the rest of its body is missing: that is not waited for.
      if (!connection.isRunning && connection.last) endConnection(connection.socket);
      else closeIfIdle(connection);
    }
  });
});

const malformed = (detail: string | undefined) => new ApiError('MALFORMED_REQUEST', { detail });

/** The `detail` by the error code of Node's parser; for other codes, the text of the problem. */
const details: ReadonlyMap<string | undefined, string> = new Map([
  ['HPE_INVALID_METHOD', problemTexts.methodUnknown],
  ['HPE_INVALID_URL', problemTexts.targetCharacters],
  ['HPE_INVALID_CONSTANT', problemTexts.requestLine],
  ['HPE_INVALID_VERSION', problemTexts.httpVersion],
  ['HPE_PAUSED_H2_UPGRADE', problemTexts.httpVersion],
  ['HPE_INVALID_HEADER_TOKEN', problemTexts.headerCharacters],
  ['HPE_INVALID_CONTENT_LENGTH', problemTexts.framing],
  ['HPE_UNEXPECTED_CONTENT_LENGTH', problemTexts.framing],
  ['HPE_INVALID_TRANSFER_ENCODING', problemTexts.framing],
  ['HPE_INVALID_CHUNK_SIZE', problemTexts.chunkSize],
]);

/** The problem for a message that Node could not parse. */
function malformedMessage({ code }: NodeJS.ErrnoException): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return new ApiError('HEADERS_TOO_LARGE');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError('REQUEST_TIMEOUT');
  return malformed(details.get(code));
}

function faultOf({ rawHeaders, httpVersion, headers, url = '' }: IncomingMessage): ApiError | undefined {
  // Names and values in turn.
  if (rawHeaders.length > 2 * maxHeaders) return new ApiError('HEADERS_TOO_LARGE');
  if (!httpVersion.startsWith('1.')) return malformed(problemTexts.httpVersion);
  const hosts = countHeader(rawHeaders, 'host');
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return malformed(problemTexts.hostHeaders);
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return malformed(problemTexts.expectation);
  }
  // The router would read a fragment as a query.
  if (url.includes('#')) return malformed(problemTexts.targetFragment);
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return malformed(problemTexts.framing);
  return undefined;
}

/**
 * How often a header was sent. `headers` does not show this: of some headers Node keeps only the first.
 * @param rawHeaders names and values in turn, as Node has them
 * @param name in lower case
 */
export const countHeader = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((sent, at) => at % 2 === 0 && sent.length === name.length && sent.toLowerCase() === name).length;

const askForBody: preParsingHookHandler = ({ raw }, reply, payload, done) => {
  if (raw.headers.expect !== undefined && raw.httpVersion === '1.1') reply.raw.writeContinue();
  done(null, payload);
};

/** The Content-Length of a 304 would be that of the 200 (RFC 9110, section 8.6). */
const omitLengthOf304: onSendHookHandler = (_, reply, __, done) => {
  if (reply.statusCode === 304) reply.removeHeader('content-length');
  done();
};
