import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { ApiError } from '../errors.ts';

/**
 * Answers 405 with Allow for every method that a known path does not have, before a body is read.
 * @returns what to call once all routes are there
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    known.set(url, methods);
  });
  return () => {
    // CONNECT never reaches the router.
    const all = METHODS.filter((method) => method !== 'CONNECT');
    for (const method of all) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
    for (const [url, methods] of [...known]) {
      const allow = [...methods].sort().join(', ');
      app.route({
        url,
        method: all.filter((method) => !methods.has(method)),
        onRequest: async () => {
          throw new ApiError('METHOD_NOT_ALLOWED', { headers: { allow } });
        },
        handler: async () => {},
      });
    }
  };
}
