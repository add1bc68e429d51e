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
    async ({ owner, query, deadline }) => toPage(await deadline.race(directory.companies(owner, readPage(query)))),
  );

  app.get(
    '/phone-numbers',
    { config: { scope: 'read:agents' }, schema: { ...listPhoneNumbers, querystring: phoneNumberListQuerySchema } },
    async ({ caller, query, deadline }) =>
      toPage(await deadline.race(directory.phoneNumbers(caller.companyId, readPage(query)))),
  );
};
