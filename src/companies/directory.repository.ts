import type { KeyOwner } from '../auth/api-key.ts';
import type { Database } from '../database/client.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { itemsBefore, type Page } from '../http/pages.ts';

const oldestFirst = [{ createdAt: 'asc' as const }, { id: 'asc' as const }];
const partOf = (page: Page) => ({ orderBy: oldestFirst, take: page.limit, skip: itemsBefore(page) });

export type DirectoryRepository = ReturnType<typeof directoryRepository>;

/**
 * Lists that integrators need before they create or change agents: companies and phone numbers. Each method returns one
 * page, the oldest first, and the total number of items. Throws ApiError DATABASE_UNAVAILABLE.
 */
export function directoryRepository({ typed }: Database) {
  return {
    /** The companies that a key can act for. */
    async companies({ companyId, integrationId }: KeyOwner, page: Page) {
      const own = companyId === null ? [] : [{ id: companyId }];
      const managed = integrationId === null ? [] : [{ integrations: { some: { integrationId } } }];
      const where: Prisma.CompanyWhereInput = { OR: [...own, ...managed] };
      const [items, total] = await typed(({ company }) =>
        Promise.all([
          company.findMany({ where, select: { id: true, name: true }, ...partOf(page) }),
          company.count({ where }),
        ]),
      );
      return { items, total, page };
    },

    /** The active phone numbers of a company, which its agents can be given. */
    async phoneNumbers(companyId: string, page: Page) {
      const where = { companyId, status: 'ACTIVE' };
      const select = { id: true, number: true, companyId: true, status: true, createdAt: true } as const;
      const [items, total] = await typed(({ companyPhoneNumber }) =>
        Promise.all([
          companyPhoneNumber.findMany({ where, select, ...partOf(page) }),
          companyPhoneNumber.count({ where }),
        ]),
      );
      return { items, total, page };
    },
  };
}
