import type { Database, Query } from './client.ts';

/** The limits of the role are those of a request; these are in milliseconds. */
const limits = "SELECT set_config('statement_timeout', '60000', true), set_config('lock_timeout', '10000', true)";

/** The same for a transaction of Prisma's typed client. */
export const setLongLimits = async (client: { $executeRawUnsafe(sql: string): Promise<unknown> }): Promise<void> => {
  await client.$executeRawUnsafe(limits);
};

/** A transaction of the operator's, whose statements may take a minute each, and wait ten seconds for a lock. */
export function longTransaction<Result>(
  { transaction }: Database,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return transaction(async (query) => {
    await query(limits, []);
    return await work(query);
  });
}
