import {
  eraseAgentsStatement,
  eraseDeliveriesStatement,
  eraseVersionsStatement,
  lockAgentsStatement,
  lockAnswersStatement,
  waitForDeliveryStatement,
} from '../agents/erase.statements.ts';
import { rowsOf } from '../database/rows.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { lowestId } from '../http/uuid.ts';
import { avoidTableScansStatement } from '../webhooks/endpoint.statements.ts';
import { eraseAnswersStatement, eraseEndpointDeliveriesStatement, lockEndpointsStatement } from './erase.statements.ts';
import { erasedAnswersRowSchema, nextAgentsRowSchema } from './row.schema.ts';
import { nextAgentsStatement } from './walk.statements.ts';

/** Where the next batch continues: the last id read, and the second column of the key if the table has one. */
type Cursor = readonly [string, string];

/** Numbers of erased rows by kind, as the audit trail shows them. */
export type Counts = Readonly<Record<string, number>>;

/**
 * Erases one batch of a company's rows of one kind, small enough for a transaction of a fraction of a second. Called again
 * with `next` until `next` is undefined.
 */
export type Part = (
  tx: Prisma.TransactionClient,
  companyId: string,
  place: Cursor,
) => Promise<{ readonly counts: Counts; readonly next: Cursor | undefined }>;

export const beginning: Cursor = [lowestId, ''];

/** A part for a table that has an index on the company: repeated until nothing is left. */
const indexed =
  (name: string, erase: (tx: Prisma.TransactionClient, companyId: string) => Promise<{ count: number }>): Part =>
  async (tx, companyId, place) => {
    const { count } = await erase(tx, companyId);
    return { counts: { [name]: count }, next: count > 0 ? place : undefined };
  };

const most = { agents: 500, versions: 5_000, deliveries: 5_000 };

const erasedAnswersOf = rowsOf(erasedAnswersRowSchema);
const nextAgentsOf = rowsOf(nextAgentsRowSchema);

/**
 * Erases nothing. Waits for changes that are not committed yet, by locking the rows of their agents and endpoints: the answers
 * that they keep can be seen only after that.
 */
const settled: Part = async (tx, companyId, [after]) => {
  await tx.$executeRaw(lockEndpointsStatement(companyId));
  const [found] = nextAgentsOf(await tx.$queryRaw<unknown[]>(nextAgentsStatement(companyId, after, most.agents)));
  await tx.$executeRaw(lockAgentsStatement(found?.ids ?? []));
  return { counts: {}, next: found?.next ? [found.next, ''] : undefined };
};

const answers: Part = async (tx, companyId, place) => {
  await tx.$executeRaw(lockAnswersStatement);
  const [row] = erasedAnswersOf(await tx.$queryRaw<unknown[]>(eraseAnswersStatement(companyId, place)));
  return { counts: { keptAnswers: row?.erased ?? 0 }, next: row?.next ?? undefined };
};

/** Agents with their history and webhook deliveries. An agent is erased in the batch in which both are empty. */
const agents: Part = async (tx, companyId, [after]) => {
  const [found] = nextAgentsOf(await tx.$queryRaw<unknown[]>(nextAgentsStatement(companyId, after, most.agents)));
  const { ids = [], next = null } = found ?? {};
  await tx.$executeRaw(lockAgentsStatement(ids));
  const versions = await tx.$executeRaw(eraseVersionsStatement(ids, most.versions));
  const deliveries = await tx.$executeRaw(eraseDeliveriesStatement(ids, most.deliveries));
  if (deliveries === 0) await tx.$executeRaw(waitForDeliveryStatement(ids));
  const erased = await tx.$executeRaw(eraseAgentsStatement(ids));
  const place = erased < ids.length ? after : next;
  return { counts: { agents: erased, versions, deliveries }, next: place === null ? undefined : [place, ''] };
};

/** The grants to integrations, which let them act for the company. Erased first. */
export const grants = indexed('grants', ({ integrationCompany }, companyId) =>
  integrationCompany.deleteMany({ where: { companyId }, limit: 1_000 }),
);

/** All other rows of a company, in the order in which they are erased: a row before the rows that it refers to. */
export const parts: readonly Part[] = [
  settled,
  answers,
  agents,
  // The remaining ones, which are pings: a key may have asked for millions, too many to be deleted with their endpoint.
  indexed('deliveries', async (tx, companyId) => ({
    count: await tx.$executeRaw(eraseEndpointDeliveriesStatement(companyId, most.deliveries)),
  })),
  indexed('webhooks', async (tx, companyId) => {
    await tx.$executeRaw(avoidTableScansStatement);
    return await tx.webhookEndpoint.deleteMany({ where: { companyId }, limit: 1 });
  }),
  // Two at a time: for each number the foreign key check scans all agents, as no index has the number (0.1 s per million).
  indexed('phoneNumbers', ({ companyPhoneNumber }, companyId) =>
    companyPhoneNumber.deleteMany({ where: { companyId }, limit: 2 }),
  ),
  indexed('keys', ({ apiKey }, companyId) => apiKey.deleteMany({ where: { companyId }, limit: 1_000 })),
];
