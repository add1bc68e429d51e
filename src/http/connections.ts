import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { preParsingHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { begun, maxConnections, over } from './bounded-server.ts';
import { brokenMessages } from './broken-message.ts';
import { malformedMessage } from './parser-problems.ts';
import { problemDetails } from './problem-details.ts';
import { ApiError } from './problems.ts';
import { unknownUrl, type WithPublicUrl } from './public-url.ts';
import { type Connection, requestQueue } from './request-queue.ts';
import { slowReaders } from './slow-readers.ts';
import { untilQuiet } from './until-quiet.ts';

/** Milliseconds from one look for slow readers to the next. */
const lookInterval = 1_000;

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether a shutdown has begun. */
    draining(): boolean;
  }
}

/**
 * What the router never sees: requests that wait for their turn, slow readers, malformed HTTP, expectations, and
 * connections at a shutdown. Every message gets an answer in the one error shape; at a shutdown what has arrived is
 * served, connections without a running request are closed and the others after theirs.
 */
export const connections = fp(async (app, { publicUrl: { prefix } = unknownUrl }: WithPublicUrl) => {
  let draining = false;
  let closesIdle = false;
  let arrivals = 0;
  app.decorate('draining', () => draining);

  const closeIfIdle = ({ socket, isRunning, held }: Connection) => {
    if (closesIdle && !isRunning && held.length === 0) socket.destroySoon();
  };
  const queue = requestQueue({
    maxConnections,
    begin: (response) => app.server.emit(begun, response.req, response),
    end: (response) => app.server.emit(over, response.req, response),
    onIdle(connection) {
      broken.conclude(connection);
      closeIfIdle(connection);
    },
  });
  const broken = brokenMessages(queue, app.log, prefix);

  app.server.on('connection', (socket: Socket) => {
    arrivals += 1;
    // Node takes its own listener away from a socket that asks for CONNECT; an error without one ends the process.
    socket.on('error', () => {});
    if (closesIdle) socket.destroySoon();
    queue.add(socket);
  });
  app.server.on('request', (_: IncomingMessage, response: ServerResponse) => {
    arrivals += 1;
    queue.take(response);
  });
  // Node would ask for the body, or refuse, before the request has been judged.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  app.server.on('connect', (_, socket: Socket) => {
    socket.resume();
    broken.breakOff(socket, malformed(problemDetails.connectMethod));
  });
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else broken.breakOff(socket, malformedMessage(error));
  });

  const findSlow = slowReaders();
  const look = () => {
    for (const socket of findSlow(queue.connections(), performance.now())) socket.destroy();
  };
  const looking = setInterval(look, lookInterval).unref();
  app.addHook('onClose', async () => clearInterval(looking));

  app.addHook('onRequest', ({ raw }, _, done) => done(faultOf(raw)));
  // Behind the hooks of the route's own scope: the body is asked for when nothing speaks against it.
  app.addHook('onRoute', (route) => {
    route.preParsing = [...[route.preParsing ?? []].flat(), askForBody];
  });
  app.addHook('onSend', ({ raw }, reply, _, done) => {
    // Fastify says it to all that arrive meanwhile: an answer with others behind it would cut those off.
    if (draining && !queue.of(raw.socket)?.held.length) reply.header('connection', 'close');
    else if (draining) reply.removeHeader('connection');
    done();
  });
  app.addHook('preClose', async () => {
    draining = true;
    await untilQuiet(() => arrivals);
    closesIdle = true;
    for (const connection of queue.connections()) closeIfIdle(connection);
  });
});

const malformed = (detail: string) => new ApiError('MALFORMED_REQUEST', { detail });

function faultOf({ rawHeaders, httpVersion, headers }: IncomingMessage): ApiError | undefined {
  if (!httpVersion.startsWith('1.')) return malformed(problemDetails.httpVersion);
  const hosts = countHeader(rawHeaders, 'host');
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return malformed(problemDetails.hostHeaders);
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    return malformed(problemDetails.expectation);
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

const askForBody: preParsingHookHandler = ({ raw }, reply, payload, done) => {
  if (raw.headers.expect !== undefined && raw.httpVersion === '1.1') reply.raw.writeContinue();
  done(null, payload);
};
