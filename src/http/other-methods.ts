import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { problemDetails } from './problem-details.ts';
import { ApiError } from './problems.ts';

/**
 * Answers 405 with Allow for every method that a known path does not have, before a body is read.
 * @returns what to call once all routes are there
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const known = new Set<string>();
  app.addHook('onRoute', ({ url }) => {
    known.add(url);
  });
  return () => {
    // CONNECT never reaches the router.
    const all = METHODS.filter((method) => method !== 'CONNECT');
    for (const method of all) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
    for (const url of [...known]) {
      // The hook does not see every route: of a prefix with and without a slash at its end, one.
      const isThere = (method: string) => app.hasRoute({ url, method });
      const allow = all.filter(isThere).join(', ');
      app.route({
        url,
        method: all.filter((method) => !isThere(method)),
        schema: { hide: true },
        onRequest: async () => {
          throw new ApiError('METHOD_NOT_ALLOWED', {
            detail: problemDetails.methodNotAllowed(allow),
            headers: { allow },
          });
        },
        handler: async () => {},
      });
    }
  };
}
