import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readPage, toPage } from '../http/pages.ts';
import type { DirectoryRepository } from './directory.repository.ts';
import { listCompanies, listPhoneNumbers } from './openapi.ts';
import { companyListQuerySchema, phoneNumberListQuerySchema } from './schema.ts';

/** What an integrator looks up before it changes agents. Registered in the authenticated scope. */
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
    async ({ owner, query }) => {
      const page = readPage(query);
      const { items, total } = await directory.companies(owner, page);
      return toPage(items, total, page);
    },
  );

  app.get(
    '/phone-numbers',
    {
      config: { scope: 'read:agents' },
      schema: {
        ...listPhoneNumbers,
        querystring: phoneNumberListQuerySchema,
      },
    },
    async ({ caller, query }) => {
      const page = readPage(query);
      const { items, total } = await directory.phoneNumbers(caller.companyId, page);
      const data = items.map(({ createdAt, ...number }) => ({ ...number, createdAt: createdAt.toISOString() }));
      return toPage(data, total, page);
    },
  );
};
