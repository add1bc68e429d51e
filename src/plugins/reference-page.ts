import type { FastifySwaggerUiOptions } from '@fastify/swagger-ui';
import type { FastifyError } from 'fastify';
import fp from 'fastify-plugin';
import { ApiError } from '../errors.ts';

/** Options of @fastify/swagger-ui: the page at /docs, with all it needs from this server. */
export const referencePage: FastifySwaggerUiOptions = {
  routePrefix: '/docs',
  theme: { title: 'Interview agents: API reference' },
  // Without the bar that asks for the address of another document.
  uiConfig: { layout: 'BaseLayout', tryItOutEnabled: true },
};

const ownAssetsOnly = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What holds for every answer in the scope of the reference page. No key needed. */
export const referencePageScope = fp(async (app) => {
  app.addHook('onRequest', async ({ headers }, reply) => {
    reply.header('content-security-policy', ownAssetsOnly);
    // Files are sent whole and without conditions on them: those have errors of their own.
    for (const name of ['range', 'if-match', 'if-unmodified-since'] as const) delete headers[name];
  });
  // What the file server refuses, such as a path that leads out of its folder, names nothing here.
  app.setErrorHandler((error: FastifyError) => {
    throw Number(error.statusCode) < 500 ? new ApiError('ROUTE_NOT_FOUND') : error;
  });
});
