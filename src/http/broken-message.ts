import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { callerAddress } from './address.ts';
import { endConnection } from './end-connection.ts';
import { exchangeOf } from './exchange.ts';
import type { ApiError } from './problems.ts';
import type { Connection, RequestQueue } from './request-queue.ts';
import { pathAndQuery } from './request-target.ts';

/** A connection whose bytes cannot be parsed any further. */
interface Broken {
  readonly error: ApiError;
  /** The response of the request whose body is malformed; undefined if the parser failed before a request was complete. */
  readonly response: ServerResponse | undefined;
  /** Whether that request had been begun. */
  readonly isBegun: boolean;
  /** The peer address of the connection; X-Forwarded-For is not read. */
  readonly address: string | null;
}

/**
 * Answers messages that Node's parser cannot parse with a problem, and closes the connection. The malformed bytes belong to
 * the body of the last request or to a message behind it. Complete requests on the connection are answered first, so that
 * the client can assign each answer to its request. A request that was begun on a route that takes no body gets its own
 * answer, the last one of the connection.
 */
export function brokenMessages(queue: RequestQueue, log: FastifyBaseLogger, prefix: string) {
  const broken = new WeakMap<Socket, Broken>();

  /** Answers and closes the connection, unless earlier requests are unanswered: then it is called again when they are. */
  function conclude({ socket, isRunning, held }: Connection): void {
    const message = broken.get(socket);
    if (!message) return;
    const { response, isBegun } = message;
    const isAwaited = isRunning && (!isBegun || response?.headersSent || !waitsForBody(response));
    if (isAwaited || held.length > 0) return;
    if (!socket.writable || (isBegun && response?.headersSent)) endConnection(socket);
    else endConnection(socket, refusal(message, log, prefix));
  }

  return {
    conclude,
    breakOff(socket: Socket, error: ApiError): void {
      const connection = queue.of(socket);
      if (!connection) socket.destroy();
      else if (!broken.has(socket)) {
        const address = callerAddress(socket.remoteAddress) ?? null;
        const response = queue.takeUnfinished(connection);
        if (response && !response.headersSent) response.shouldKeepAlive = false;
        const isBegun = response !== undefined && response === connection.last;
        broken.set(socket, { error, response, isBegun, address });
        conclude(connection);
      }
    },
  };
}

/** Whether a begun request needs the rest of its body. On other routes, it may already have changed something. */
const waitsForBody = (response?: ServerResponse) => response && exchangeOf(response.req).config.takesBody === true;

/** The answer as text, status line and headers included. Logs it, unless the request was begun: `request-log.ts` does then. */
function refusal({ error, response, isBegun, address }: Broken, log: FastifyBaseLogger, prefix: string): string {
  const exchange = response && exchangeOf(response.req);
  const requestId = exchange?.requestId ?? randomUUID();
  if (response && exchange && isBegun) {
    response.statusCode = error.status;
    exchange.problem = error;
  } else log.info({ requestId, status: error.status, code: error.code, address }, 'malformed');
  const body = JSON.stringify(error.problem(pathAndQuery(response?.req.url).split('?', 1)[0] ?? '', requestId, prefix));
  const lines = [
    `HTTP/1.1 ${error.status} ${error.code}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    ...Object.entries(exchange?.rateLimits ?? {}).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
