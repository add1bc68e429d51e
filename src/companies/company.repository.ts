import type { KeyOwner } from '../api-keys/api-key.lifecycle.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { UnknownIdError } from '../unknown-id.ts';

const named = { id: true, name: true } as const;
const oldestFirst = [{ createdAt: 'asc' }, { id: 'asc' }] satisfies Prisma.CompanyOrderByWithRelationInput[];
const phoneNumber = { id: true, number: true, companyId: true, status: true } as const;

export type CompanyRepository = ReturnType<typeof companyRepository>;

/** Companies, the integrations that manage them, and their phone numbers: what operators set up. */
export function companyRepository(prisma: PrismaClient) {
  async function companiesOf(integrationId: string) {
    const grants = await prisma.integrationCompany.findMany({
      where: { integrationId },
      orderBy: { grantedAt: 'asc' },
    });
    return { integrationId, companyIds: grants.map(({ companyId }) => companyId) };
  }

  return {
    createCompany: (name: string) => prisma.company.create({ data: { name }, select: named }),

    listCompanies: () => prisma.company.findMany({ select: named, orderBy: oldestFirst }),

    createIntegration: (name: string) => prisma.integration.create({ data: { name }, select: named }),

    listIntegrations: () => prisma.integration.findMany({ select: named, orderBy: oldestFirst }),

    /** Lets an integration act for a company, from its next request on. Granting twice is fine. */
    async grant(integrationId: string, companyId: string) {
      await this.requireIntegration(integrationId);
      await this.requireCompany(companyId);
      const pair = { companyId, integrationId };
      await prisma.integrationCompany.upsert({ where: { companyId_integrationId: pair }, create: pair, update: {} });
      return companiesOf(integrationId);
    },

    /** Takes a company from an integration, from its next request on. Revoking twice is fine. */
    async revoke(integrationId: string, companyId: string) {
      await this.requireIntegration(integrationId);
      await this.requireCompany(companyId);
      await prisma.integrationCompany.deleteMany({ where: { companyId, integrationId } });
      return companiesOf(integrationId);
    },

    /** @param number in E.164, with its plus sign */
    async addPhoneNumber(companyId: string, number: string) {
      await this.requireCompany(companyId);
      return prisma.companyPhoneNumber.create({ data: { companyId, number }, select: phoneNumber });
    },

    /** Agents keep an inactive number, but none can get it any more. */
    async deactivatePhoneNumber(id: string) {
      const { count } = await prisma.companyPhoneNumber.updateMany({ where: { id }, data: { status: 'INACTIVE' } });
      if (count === 0) throw new UnknownIdError('phone number', id);
      return prisma.companyPhoneNumber.findUniqueOrThrow({ where: { id }, select: phoneNumber });
    },

    async listPhoneNumbers(companyId: string) {
      await this.requireCompany(companyId);
      return prisma.companyPhoneNumber.findMany({ where: { companyId }, select: phoneNumber, orderBy: oldestFirst });
    },

    /** Checks that the owner of a key is there, and returns it. */
    async requireOwner<Owner extends KeyOwner>(owner: Owner): Promise<Owner> {
      if (owner.companyId !== null) await this.requireCompany(owner.companyId);
      if (owner.integrationId !== null) await this.requireIntegration(owner.integrationId);
      return owner;
    },

    async requireCompany(id: string): Promise<void> {
      if (!(await prisma.company.findUnique({ where: { id } }))) throw new UnknownIdError('company', id);
    },

    async requireIntegration(id: string): Promise<void> {
      if (!(await prisma.integration.findUnique({ where: { id } }))) throw new UnknownIdError('integration', id);
    },
  };
}
