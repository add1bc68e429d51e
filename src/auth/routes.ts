import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Database } from '../database/client.ts';
import { invalidKey } from './access.ts';
import { getOwnKey } from './openapi.ts';
import { findOwnKey } from './own-key.repository.ts';
import { rateLimitsOf } from './rate-limit-headers.ts';
import { ignoredCompanySchema } from './schema.ts';

/** The route by which a client reads its own key. Registered in the authenticated scope. */
export const ownKeyRoutes: FastifyPluginAsyncTypebox<{ database: Database }> = async (app, { database }) => {
  app.get(
    '/api-key',
    { config: { scope: 'any', forAnyCompany: true }, schema: { ...getOwnKey, querystring: ignoredCompanySchema } },
    async (request) => {
      const key = await request.deadline.race(findOwnKey(database, request.owner.keyId));
      if (!key) throw invalidKey('unknown');
      return { ...key, rateLimits: rateLimitsOf(request) };
    },
  );
};
