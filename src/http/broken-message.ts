import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { callerAddress } from '../auth/address.ts';
import { exchangeOf, newRequestId } from './exchange.ts';
import type { ApiError } from './problems.ts';
import type { Connection, RequestQueue } from './request-queue.ts';

/** Milliseconds during which what a refused client still sends is read: a reset could overtake the answer. */
const afterlife = 1_000;

/** Why a connection cannot be read any further, and the response of the request whose body is broken, when it is the body. */
interface Broken {
  readonly error: ApiError;
  readonly response: ServerResponse | undefined;
  /** Of the connection: what a proxy says of its client is not read. */
  readonly address: string | null;
}

/**
 * Answers messages that the parser gave up on, in the one error shape. The bytes it choked on belong to the body of the
 * last request, or to a message behind it. Requests that were whole are answered first, so that no client takes this
 * answer for that of another.
 */
export function brokenMessages(queue: RequestQueue, log: FastifyBaseLogger, prefix: string) {
  const broken = new WeakMap<Socket, Broken>();

  /** Answers and hangs up, or waits: it is called again when the connection is idle. */
  function conclude({ socket, last, isRunning, held }: Connection): void {
    const message = broken.get(socket);
    if (!message) return;
    const { response } = message;
    const isBegun = response !== undefined && response === last;
    const isAwaited = isRunning && (!isBegun || response.headersSent);
    if (isAwaited || held.length > 0) return;
    if (!socket.writable || (isBegun && response.headersSent)) hangUp(socket);
    else hangUp(socket, refusal(message, isBegun, log, prefix));
  }

  return {
    conclude,
    breakOff(socket: Socket, error: ApiError): void {
      const connection = queue.of(socket);
      if (!connection) socket.destroy();
      else if (!broken.has(socket)) {
        const address = callerAddress(socket.remoteAddress) ?? null;
        broken.set(socket, { error, response: queue.takeUnfinished(connection), address });
        conclude(connection);
      }
    },
  };
}

/** @param isBegun whether the response belongs to a request that was begun, and so has its own line in the log */
function refusal(
  { error, response, address }: Broken,
  isBegun: boolean,
  log: FastifyBaseLogger,
  prefix: string,
): string {
  const exchange = response && exchangeOf(response.req);
  const requestId = exchange?.requestId ?? newRequestId();
  if (response && exchange && isBegun) {
    response.statusCode = error.status;
    exchange.problem = error;
  } else log.info({ requestId, status: error.status, code: error.code, address }, 'malformed');
  const body = JSON.stringify(error.problem(response?.req.url?.split('?', 1)[0] ?? '', requestId, prefix));
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

function hangUp(socket: Socket, lastWords = ''): void {
  socket.end(lastWords);
  const timer = setTimeout(() => socket.destroy(), afterlife);
  socket.once('close', () => clearTimeout(timer));
}
