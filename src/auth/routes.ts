import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { invalidKey } from './access.ts';
import { getOwnKey } from './openapi.ts';
import type { OwnKeyRepository } from './own-key.repository.ts';
import { rateLimitsOf } from './rate-limit-headers.ts';
import { ownKeyQuerySchema } from './schema.ts';

/** The route by which a client reads its own key. Registered in the authenticated scope. */
export const ownKeyRoutes: FastifyPluginAsyncTypebox<{ ownKeys: OwnKeyRepository }> = async (app, { ownKeys }) => {
  app.get(
    '/api-key',
    { config: { scope: 'any', forAnyCompany: true }, schema: { ...getOwnKey, querystring: ownKeyQuerySchema } },
    async (request) => {
      const key = await request.deadline.race(ownKeys.find(request.owner.keyId));
      if (!key) throw invalidKey('unknown');
      return { ...key, rateLimits: rateLimitsOf(request) };
    },
  );
};
