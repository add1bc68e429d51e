import type { KeyOwner } from '../auth/api-key.ts';
import { RefusedError, UnknownIdError } from '../errors.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { lockNumberStatement } from './number-lock.statements.ts';

const named = { id: true, name: true } as const;
const oldestFirst = [{ createdAt: 'asc' }, { id: 'asc' }] satisfies Prisma.CompanyOrderByWithRelationInput[];
const phoneNumber = { id: true, number: true, companyId: true, status: true } as const;

export type CompanyRepository = ReturnType<typeof companyRepository>;

/**
 * The operator's commands on companies, integrations, grants and phone numbers. Each change is committed together with its
 * audit entry.
 * @param operator the name for the audit entries
 */
export function companyRepository(prisma: PrismaClient, operator: string) {
  /** Makes a change and its audit entry in one transaction; no entry if `entryOf` returns undefined. */
  function audited<Result>(
    change: (tx: Prisma.TransactionClient) => Promise<Result>,
    entryOf: (result: Result) => Omit<Prisma.AuditEntryCreateInput, 'operator'> | undefined,
  ): Promise<Result> {
    return prisma.$transaction(async (tx) => {
      const result = await change(tx);
      const entry = entryOf(result);
      if (entry) await tx.auditEntry.create({ data: { ...entry, operator } });
      return result;
    });
  }

  /** @returns the companies that the integration acts for after the change, in the order of their grants */
  async function changeGrant(
    pair: { readonly integrationId: string; readonly companyId: string },
    action: 'integration.granted' | 'integration.revoked',
    change: (tx: Prisma.TransactionClient) => Promise<{ count: number }>,
  ) {
    const { integrationId } = pair;
    await requireIntegration(integrationId);
    await requireCompany(pair.companyId);
    await audited(change, ({ count }) => (count === 0 ? undefined : { action, ...pair }));
    const orderBy = { grantedAt: 'asc' } as const;
    const grants = await prisma.integrationCompany.findMany({ where: { integrationId }, orderBy });
    return { integrationId, companyIds: grants.map(({ companyId }) => companyId) };
  }

  async function requireCompany(id: string): Promise<void> {
    if (!(await prisma.company.findUnique({ where: { id } }))) throw new UnknownIdError('company', id);
  }

  async function requireIntegration(id: string): Promise<void> {
    if (!(await prisma.integration.findUnique({ where: { id } }))) throw new UnknownIdError('integration', id);
  }

  return {
    createCompany: (name: string) =>
      audited(
        (tx) => tx.company.create({ data: { name }, select: named }),
        ({ id: companyId }) => ({ action: 'company.created', companyId, details: { name } }),
      ),

    /** Renames a company; the audit entry has the new name. @throws UnknownIdError */
    async renameCompany(id: string, name: string) {
      const [renamed] = await audited(
        (tx) => tx.company.updateManyAndReturn({ where: { id, name: { not: name } }, data: { name }, select: named }),
        ([company]) => company && { action: 'company.renamed', companyId: id, details: { name } },
      );
      const found = renamed ?? (await prisma.company.findUnique({ where: { id }, select: named }));
      if (!found) throw new UnknownIdError('company', id);
      return found;
    },

    listCompanies: () => prisma.company.findMany({ select: named, orderBy: oldestFirst }),

    createIntegration: (name: string) =>
      audited(
        (tx) => tx.integration.create({ data: { name }, select: named }),
        ({ id: integrationId }) => ({ action: 'integration.created', integrationId, details: { name } }),
      ),

    listIntegrations: () => prisma.integration.findMany({ select: named, orderBy: oldestFirst }),

    /** Lets an integration act for a company, from its next request on. Idempotent. @throws UnknownIdError */
    grant(integrationId: string, companyId: string) {
      const data = { companyId, integrationId };
      return changeGrant(data, 'integration.granted', ({ integrationCompany }) =>
        integrationCompany.createMany({ data, skipDuplicates: true }),
      );
    },

    /** Revokes the grant of a company to an integration, from its next request on. Idempotent. @throws UnknownIdError */
    revoke(integrationId: string, companyId: string) {
      const where = { companyId, integrationId };
      return changeGrant(where, 'integration.revoked', ({ integrationCompany }) =>
        integrationCompany.deleteMany({ where }),
      );
    },

    /**
     * @param number in E.164, with its plus sign
     * @throws UnknownIdError; RefusedError if any company has the number and it is active
     */
    async addPhoneNumber(companyId: string, number: string) {
      await requireCompany(companyId);
      return await audited(
        async (tx) => {
          // Serializes concurrent additions. Servers only read the table, which this lock allows.
          await tx.$executeRaw`LOCK TABLE company_phone_number IN SHARE ROW EXCLUSIVE MODE`;
          const active = await tx.companyPhoneNumber.findFirst({ where: { number, status: 'ACTIVE' } });
          if (active) throw new RefusedError(`the number is active already, for the company ${active.companyId}`);
          return await tx.companyPhoneNumber.create({ data: { companyId, number }, select: phoneNumber });
        },
        // The entry has the id, not the number: audit entries can never be erased.
        ({ id: phoneNumberId }) => ({ action: 'phone-number.added', companyId, phoneNumberId }),
      );
    },

    /** Deactivates a number: agents that have it keep it, no agent can be given it. Idempotent. @throws UnknownIdError */
    async deactivatePhoneNumber(id: string) {
      const [deactivated] = await audited(
        async (tx) => {
          await tx.$queryRaw(lockNumberStatement(id));
          return await tx.companyPhoneNumber.updateManyAndReturn({
            where: { id, status: { not: 'INACTIVE' } },
            data: { status: 'INACTIVE' },
            select: phoneNumber,
          });
        },
        ([number]) =>
          number && { action: 'phone-number.deactivated', companyId: number.companyId, phoneNumberId: number.id },
      );
      const found = deactivated ?? (await prisma.companyPhoneNumber.findUnique({ where: { id }, select: phoneNumber }));
      if (!found) throw new UnknownIdError('phone number', id);
      return found;
    },

    async listPhoneNumbers(companyId: string) {
      await requireCompany(companyId);
      return prisma.companyPhoneNumber.findMany({ where: { companyId }, select: phoneNumber, orderBy: oldestFirst });
    },

    /** Returns the owner. @throws UnknownIdError if its company or integration does not exist */
    async requireOwner<Owner extends KeyOwner>(owner: Owner): Promise<Owner> {
      if (owner.companyId !== null) await requireCompany(owner.companyId);
      if (owner.integrationId !== null) await requireIntegration(owner.integrationId);
      return owner;
    },

    requireCompany,
  };
}
