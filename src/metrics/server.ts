import { createServer, type Server } from 'node:http';
import type { Metrics } from './prometheus.ts';

/** Serves the metrics to Prometheus, and nothing else; without a key, so on a port that only the operator reaches. */
export function metricsServer({ registry }: Metrics): Server {
  const server = createServer({ requestTimeout: 10_000 }, async (request, response) => {
    const isKnown = request.method === 'GET' && request.url?.split('?', 1)[0] === '/metrics';
    const text = isKnown ? await registry.metrics() : '';
    const headers = { 'content-type': registry.contentType, 'x-content-type-options': 'nosniff' };
    response.writeHead(isKnown ? 200 : 404, headers).end(text);
  });
  // An open connection of Prometheus does not delay the shutdown.
  server.unref();
  return server;
}
