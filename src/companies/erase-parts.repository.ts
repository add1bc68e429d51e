import { rowsOf } from '../database/rows.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import {
  eraseAgentsStatement,
  eraseAnswersStatement,
  eraseDeliveriesStatement,
  eraseVersionsStatement,
  lockAnswersStatement,
} from './erase.statements.ts';
import { erasedAnswersRowSchema, erasedRowSchema, nextAgentsRowSchema } from './row.schema.ts';
import { lowestId, nextAgentsStatement } from './walk.statements.ts';

/** Where a part of the work goes on: an id, and where the rows of a table have two, the second. */
type Place = readonly [string, string];

/** How many rows were erased, by what they are. */
export type Counts = Readonly<Record<string, number>>;

/**
 * Erases some rows of one kind that belong to a company: few enough for a transaction of a fraction of a second. It is
 * called until there is no `next`.
 */
export type Part = (
  tx: Prisma.TransactionClient,
  companyId: string,
  place: Place,
) => Promise<{ readonly counts: Counts; readonly next: Place | undefined }>;

export const beginning: Place = [lowestId, ''];

/** Rows that are found by the company in an index. */
const indexed =
  (name: string, erase: (tx: Prisma.TransactionClient, companyId: string) => Promise<{ count: number }>): Part =>
  async (tx, companyId, place) => {
    const { count } = await erase(tx, companyId);
    return { counts: { [name]: count }, next: count > 0 ? place : undefined };
  };

const erasedOf = rowsOf(erasedRowSchema);
const erasedAnswersOf = rowsOf(erasedAnswersRowSchema);
const nextAgentsOf = rowsOf(nextAgentsRowSchema);

const answers: Part = async (tx, companyId, place) => {
  await tx.$executeRaw(lockAnswersStatement);
  const [row] = erasedAnswersOf(await tx.$queryRaw<unknown[]>(eraseAnswersStatement(companyId, place)));
  return { counts: { keptAnswers: row?.erased ?? 0 }, next: row?.next ?? undefined };
};

const most = { agents: 500, versions: 5_000, deliveries: 5_000 };

/** Agents with their history and what webhooks were told of them. An agent stays until all of that is gone. */
const agents: Part = async (tx, companyId, [after]) => {
  const count = async (statement: Prisma.Sql) => erasedOf(await tx.$queryRaw<unknown[]>(statement))[0]?.erased ?? 0;
  const [found] = nextAgentsOf(await tx.$queryRaw<unknown[]>(nextAgentsStatement(companyId, after, most.agents)));
  const { ids = [], next = null } = found ?? {};
  const versions = await count(eraseVersionsStatement(ids, most.versions));
  const deliveries = await count(eraseDeliveriesStatement(ids, most.deliveries));
  const erased = await count(eraseAgentsStatement(ids));
  const place = erased < ids.length ? after : next;
  return { counts: { agents: erased, versions, deliveries }, next: place === null ? undefined : [place, ''] };
};

/** What lets others act for the company. It goes before all else. */
export const grants = indexed('grants', ({ integrationCompany }, companyId) =>
  integrationCompany.deleteMany({ where: { companyId }, limit: 1_000 }),
);

/** All else that belongs to a company, in the order in which it goes: what refers to other rows before these. */
export const parts: readonly Part[] = [
  answers,
  agents,
  // With the deliveries that are left, of tests and of agents that were purged.
  indexed('webhooks', ({ webhookEndpoint }, companyId) =>
    webhookEndpoint.deleteMany({ where: { companyId }, limit: 1 }),
  ),
  // For each of them PostgreSQL looks through all agents for one that still has it, since no index has that: 0.1 s a million.
  indexed('phoneNumbers', ({ companyPhoneNumber }, companyId) =>
    companyPhoneNumber.deleteMany({ where: { companyId }, limit: 2 }),
  ),
  indexed('keys', ({ apiKey }, companyId) => apiKey.deleteMany({ where: { companyId }, limit: 1_000 })),
];
