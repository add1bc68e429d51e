import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Metrics } from './prometheus.ts';

/** Milliseconds in which a request must arrive, and in which a connection must make progress. */
const limit = 10_000;

/**
 * Serves the metrics to Prometheus, and nothing else; without a key, so on a port that only the operator reaches. Whoever
 * reaches it all the same costs little: a connection has one answer, and scrapes at the same moment have the same text.
 */
export function metricsServer({ registry }: Metrics): Server {
  let reading: Promise<string> | undefined;
  const read = () => {
    reading ??= registry.metrics().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const used = new WeakSet<Socket>();
  const server = createServer({ requestTimeout: limit }, async (request, response) => {
    // Node has all pipelined requests served at once, and keeps their answers while the first one is not read.
    if (used.has(request.socket)) return void request.socket.destroy();
    used.add(request.socket);
    const isKnown = request.method === 'GET' && request.url?.split('?', 1)[0] === '/metrics';
    const text = isKnown ? await read() : '';
    const headers = { connection: 'close', 'content-type': registry.contentType, 'x-content-type-options': 'nosniff' };
    response.writeHead(isKnown ? 200 : 404, headers).end(text);
  });
  server.timeout = limit;
  server.maxConnections = 32;
  // An open connection of Prometheus does not delay the shutdown.
  server.unref();
  return server;
}
