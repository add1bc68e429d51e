import { createServer, type IncomingMessage, Server, type ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import { maxHeaderBytes, maxHeaders } from './size-limits.ts';
import { CountedRequest } from './unread-body.ts';

/** Timeouts in milliseconds after which the connection of a client that sends too slowly is closed. */
const clientTimeout = 10_000;

/** The server's event for a request that is about to be served. Node's own event, `request`, is its arrival. */
export const begun = 'begun';

/** The server's event for the end of such a request: the response was sent, or the connection was closed. */
export const over = 'over';

type Listener = (message: IncomingMessage, response: ServerResponse) => void;

/**
 * An HTTP server with timeouts and limits for each client.
 * @param onBegun serves a request; called when the server emits `begun`
 */
export function boundedServer(onBegun: Listener, keepAliveSeconds = 72): Server {
  const server: Server = createServer({
    IncomingMessage: CountedRequest,
    requestTimeout: clientTimeout,
    headersTimeout: clientTimeout,
    // From an answer to the first byte of the next request; before the first answer, the two timeouts above apply.
    keepAliveTimeout: keepAliveSeconds * 1_000,
    // Short, so that few slow clients expire at the same time: closing many at once would delay other requests.
    connectionsCheckingInterval: 100,
    // Node refuses a head that has as many.
    maxHeaderSize: maxHeaderBytes + 1,
    // A missing Host header is answered by our own check, with a problem.
    requireHostHeader: false,
  });
  // Node drops further headers without an error. One more than allowed, so that `connections.ts` sees and refuses the excess.
  server.maxHeadersCount = maxHeaders + 1;
  // For a connection with a running request on which no bytes are sent or received.
  server.setTimeout(clientTimeout + 1_000);
  // Fastify calls it during a shutdown, and Node would destroy connections on which the end of an answer is still being sent.
  // `connections.ts` closes those without a request.
  server.closeIdleConnections = () => {};
  // Node's own `close` would also stop the timer of the two timeouts: a shutdown would wait for slow clients without a limit.
  server.close = (done) => {
    NetServer.prototype.close.call(server, done);
    // Once no connection is left, Node's own stops that timer, which would keep the whole app in memory.
    server.once('close', () => Server.prototype.close.call(server));
    return server;
  };
  return server.on(begun, onBegun);
}

/** Open connections at most, however many descriptors there are: each may hold the memory of a head that arrives slowly. */
const mostConnections = 10_000;

/**
 * Open connections at most (docs/contract.md#sizes-and-connections).
 * @param descriptors how many the process may have; 20 % of them are left for the database, webhooks and files
 */
export const connectionsFor = (descriptors: number): number => Math.min(Math.floor(descriptors * 0.8), mostConnections);

/** The same for this process, with the descriptors that it may have at its start. */
export const maxConnections = connectionsFor(descriptorLimit());

/** The soft limit that `ulimit -n` shows; infinity if there is none. */
function descriptorLimit(): number {
  const { userLimits }: { userLimits?: { open_files?: { soft?: unknown } } } = process.report.getReport();
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}
