import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isRecord } from './json.ts';

/** Milliseconds after which a client that sends too slowly, or nothing, is cut. */
const patience = 10_000;

/** The event of the server for each request that is begun. Node's own, `request`, is its arrival. */
export const begun = 'begun';

/** The event of the server for each request that was begun, when its response is out or its connection is closed. */
export const over = 'over';

type Listener = (message: IncomingMessage, response: ServerResponse) => void;

/**
 * An HTTP server whose options bound what one client may cost.
 * @param onBegun serves a request; called when the server emits `begun`
 */
export function boundedServer(onBegun: Listener, keepAliveSeconds = 72): Server {
  const server = createServer({
    requestTimeout: patience,
    headersTimeout: patience,
    // From an answer to the first byte of the next request. Before the first answer the two above count.
    keepAliveTimeout: keepAliveSeconds * 1_000,
    // Often, so that many slow clients are not cut in one go, which would hold up the others.
    connectionsCheckingInterval: 100,
    maxHeaderSize: 16 * 1024,
    // A missing Host is answered in the one error shape.
    requireHostHeader: false,
  });
  // Silence on a connection with a running request.
  server.setTimeout(patience + 1_000);
  return server.on(begun, onBegun);
}

/** Connections that may be open: 80 % of the descriptors of the process (docs/contract.md#sizes-and-connections), as they are at its start. */
export const maxConnections = Math.floor(descriptorLimit() * 0.8);

/** The soft limit that `ulimit -n` shows; infinity where there is none. */
function descriptorLimit(): number {
  const path = ['userLimits', 'open_files', 'soft'];
  const soft = path.reduce<unknown>(
    (value, name) => (isRecord(value) ? value[name] : undefined),
    process.report.getReport(),
  );
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}
