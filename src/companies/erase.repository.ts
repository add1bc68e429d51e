import { setTimeout } from 'node:timers/promises';
import type { Database } from '../database/client.ts';
import { databaseTime } from '../database/clock.ts';
import { isReferenced } from '../database/failures.ts';
import { longTransaction } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import { RefusedError, UnknownIdError } from '../errors.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { erasedSoFarStatement, lockStatement } from './erase.statements.ts';
import { beginning, type Counts, grants, type Part, parts } from './erase-parts.repository.ts';
import { countRowSchema } from './row.schema.ts';

/** Milliseconds after which every request admitted before has ended: an admission is valid for 1 s, a call takes 2.3 s. */
const longestRequest = 4_000;

/** Maximum number of passes over all parts. Another pass is needed if a row was added after its part was erased. */
const maxRounds = 10;

const otherName =
  'nothing was erased: --confirm is not the name of the company with this id, letter for letter (company list shows it)';

const countsOf = rowsOf(countRowSchema);

/**
 * Erases a company with its grants, agents, their history, webhooks, kept answers, numbers and keys, while servers run; the audit
 * trail stays. Uses many short transactions; each writes its counts to the audit trail (`company.erasing`), the last one the sums
 * (`company.erased`). After an interruption, call it again to continue.
 * @param confirm the name of the company
 * @param operator the name for the audit entries
 * @throws UnknownIdError; RefusedError if the name is another one or the company has an active key
 */
export async function eraseCompany(database: Database, id: string, confirm: string, operator: string) {
  /** Runs one transaction of the erasure. The row lock on the company keeps others from adding rows that belong to it. */
  function locked<Result>(work: (tx: Prisma.TransactionClient) => Promise<Result>) {
    return longTransaction(database, async (query, typed) => {
      await query(lockStatement(id));
      const stored = { where: { id }, select: { name: true } };
      const company = await typed((tx) => tx.company.findUnique(stored));
      if (!company) throw new UnknownIdError('company', id);
      if (company.name !== confirm) throw new RefusedError(otherName);
      const active = { revokedAt: null, suspendedAt: null };
      const ends = [{ expiresAt: null }, { expiresAt: { gt: await typed(databaseTime) } }];
      const activeKey = { where: { companyId: id, ...active, OR: ends }, select: { id: true } };
      const key = await typed(({ apiKey }) => apiKey.findFirst(activeKey));
      if (key) throw new RefusedError(`the company has an active key, ${key.id}: revoke it first`);
      return await typed(work);
    });
  }

  /** Erases all rows of one part. @returns 0 for each kind of its rows, for kinds that no audit entry counts */
  async function erasePart(part: Part): Promise<Counts> {
    let zeros: Counts = {};
    const eraseSome = (place: typeof beginning) =>
      locked(async (tx) => {
        const { counts, next } = await part(tx, id, place);
        zeros = Object.fromEntries(Object.keys(counts).map((name) => [name, 0]));
        if (Object.values(counts).some((count) => count > 0)) {
          await tx.auditEntry.create({ data: { action: 'company.erasing', operator, companyId: id, details: counts } });
        }
        return next;
      });
    for (let place = await eraseSome(beginning); place; ) place = await eraseSome(place);
    return zeros;
  }

  /** The last transaction: deletes the company. @returns the counts of all transactions, read from the audit trail */
  function finish(zeros: Counts): Promise<Counts> {
    return locked(async (tx) => {
      await tx.company.delete({ where: { id }, select: { id: true } });
      const counts = countsOf(await tx.$queryRaw<unknown[]>(erasedSoFarStatement(id)));
      const details = { ...zeros, ...Object.fromEntries(counts.map(({ name, count }) => [name, count])) };
      await tx.auditEntry.create({ data: { action: 'company.erased', operator, companyId: id, details } });
      return details;
    });
  }

  async function eraseRest(rounds = maxRounds): Promise<Counts> {
    let zeros: Counts = {};
    try {
      for (const part of [grants, ...parts]) zeros = { ...zeros, ...(await erasePart(part)) };
      return await finish(zeros);
    } catch (error) {
      // A row was added after its part was done, and still refers to the company: repeat all parts.
      if (rounds > 1 && isReferenced(error)) return await eraseRest(rounds - 1);
      throw error;
    }
  }

  await erasePart(grants);
  // Running requests may still write. No new ones can follow: there is no active key and no grant.
  await setTimeout(longestRequest);
  return { id, name: confirm, erased: await eraseRest() };
}
