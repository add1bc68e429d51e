import { setTimeout } from 'node:timers/promises';
import { databaseTime } from '../database/clock.ts';
import { isReferenced } from '../database/failures.ts';
import { setLongLimits } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { RefusedError } from '../refusal.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { erasedSoFarStatement, lockStatement } from './erase.statements.ts';
import { beginning, type Counts, grants, type Part, parts } from './erase-parts.repository.ts';
import { countRowSchema } from './row.schema.ts';

interface ErasedCompany {
  readonly id: string;
  readonly name: string;
  /** How many rows of each kind were erased, by earlier runs that did not end too. */
  readonly erased: Counts;
}

export type CompanyErasure = ReturnType<typeof companyErasure>;

/** Milliseconds after which a request is over that was let in before: an admission holds for 1 s, a call for 2.3 s. */
const longestRequest = 4_000;

/** How often everything is looked through once more, because something was added meanwhile. */
const mostRounds = 10;

const countsOf = rowsOf(countRowSchema);

/**
 * Erases companies with all that belongs to them, but for the audit trail.
 * @param operator who does it, for the trail
 */
export function companyErasure(prisma: PrismaClient, operator: string) {
  /** One transaction of the erasure, in which nothing can be added to the company, and no key of it is active. */
  function locked<Result>(id: string, confirm: string, work: (tx: Prisma.TransactionClient) => Promise<Result>) {
    return prisma.$transaction(async (tx) => {
      await setLongLimits(tx);
      await tx.$executeRaw(lockStatement(id));
      const company = await tx.company.findUnique({ where: { id }, select: { name: true } });
      if (!company) throw new UnknownIdError('company', id);
      if (company.name !== confirm) throw new RefusedError('--confirm is not the name of the company');
      const active = { revokedAt: null, suspendedAt: null };
      const ends = [{ expiresAt: null }, { expiresAt: { gt: await databaseTime(tx) } }];
      const key = await tx.apiKey.findFirst({ where: { companyId: id, ...active, OR: ends }, select: { id: true } });
      if (key) throw new RefusedError(`the company has an active key, ${key.id}: revoke it first`);
      return await work(tx);
    });
  }

  /** @returns the names of its counts, each with none */
  async function erasePart(id: string, confirm: string, part: Part): Promise<Counts> {
    let none: Counts = {};
    const eraseSome = (place: typeof beginning) =>
      locked(id, confirm, async (tx) => {
        const { counts, next } = await part(tx, id, place);
        none = Object.fromEntries(Object.keys(counts).map((name) => [name, 0]));
        if (Object.values(counts).some((count) => count > 0)) {
          await tx.auditEntry.create({ data: { action: 'company.erasing', operator, companyId: id, details: counts } });
        }
        return next;
      });
    for (let place = await eraseSome(beginning); place; ) place = await eraseSome(place);
    return none;
  }

  /** The last transaction: the company itself. */
  function finish(id: string, confirm: string, none: Counts): Promise<Counts> {
    return locked(id, confirm, async (tx) => {
      await tx.company.delete({ where: { id }, select: { id: true } });
      const counts = countsOf(await tx.$queryRaw<unknown[]>(erasedSoFarStatement(id)));
      const details = { ...none, ...Object.fromEntries(counts.map(({ name, count }) => [name, count])) };
      await tx.auditEntry.create({ data: { action: 'company.erased', operator, companyId: id, details } });
      return details;
    });
  }

  async function eraseRest(id: string, confirm: string, rounds = mostRounds): Promise<Counts> {
    let none: Counts = {};
    try {
      for (const part of [grants, ...parts]) none = { ...none, ...(await erasePart(id, confirm, part)) };
      return await finish(id, confirm, none);
    } catch (error) {
      // Something was added behind the part that erases such rows: go round again.
      if (rounds > 1 && isReferenced(error)) return await eraseRest(id, confirm, rounds - 1);
      throw error;
    }
  }

  return {
    /**
     * Erases a company with its grants, agents, their history, kept answers, numbers and keys, while servers run: in many
     * transactions, each with what it erased in the audit trail (`company.erasing`), and the sums in the last one
     * (`company.erased`). After a run that did not end, another goes on.
     * @param confirm the name of the company
     * @throws UnknownIdError, and RefusedError for another name or where a key of the company is active
     */
    async erase(id: string, confirm: string): Promise<ErasedCompany> {
      await erasePart(id, confirm, grants);
      // Requests under way may still write. Behind them nothing comes, since no key and no grant is left.
      await setTimeout(longestRequest);
      return { id, name: confirm, erased: await eraseRest(id, confirm) };
    },
  };
}
