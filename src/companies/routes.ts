import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readPage, toPage } from '../http/pages.ts';
import type { DirectoryRepository } from './directory.repository.ts';
import { listCompanies, listPhoneNumbers } from './openapi.ts';
import { companyListQuerySchema, phoneNumberListQuerySchema } from './schema.ts';

/** Lists of companies and phone numbers. Registered in the authenticated scope. */
export const companyRoutes: FastifyPluginAsyncTypebox<{ directory: DirectoryRepository }> = async (
  app,
  { directory },
) => {
  app.get(
    '/companies',
    {
      config: { scope: 'read:agents', forAnyCompany: true },
      schema: { ...listCompanies, querystring: companyListQuerySchema },
    },
    async ({ owner, query, deadline }) => {
      const page = readPage(query);
      const { items, total } = await deadline.race(directory.companies(owner, page));
      return toPage(items, total, page);
    },
  );

  app.get(
    '/phone-numbers',
    { config: { scope: 'read:agents' }, schema: { ...listPhoneNumbers, querystring: phoneNumberListQuerySchema } },
    async ({ caller, query, deadline }) => {
      const page = readPage(query);
      const { items, total } = await deadline.race(directory.phoneNumbers(caller.companyId, page));
      return toPage(items, total, page);
    },
  );
};
