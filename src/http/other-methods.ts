import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { problemTexts } from './problem-texts.ts';
import { ApiError } from './problems.ts';

/**
 * Answers 405 with Allow for every method that a known path does not have, before a body is read.
 * @returns a function that adds these routes; call it when all other routes have been added
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
      // Fastify calls onRoute for only one of two routes that differ in a slash at the end of a prefix.
      const isThere = (method: string) => app.hasRoute({ url, method });
      const allow = all.filter(isThere).join(', ');
      app.route({
        url,
        method: all.filter((method) => !isThere(method)),
        schema: { hide: true },
        onRequest: async () => {
          throw new ApiError('METHOD_NOT_ALLOWED', {
            detail: problemTexts.methodNotAllowed(allow),
            headers: { allow },
          });
        },
        handler: async () => {},
      });
    }
  };
}
