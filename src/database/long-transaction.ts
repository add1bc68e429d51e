import type { Database } from './client.ts';
import type { Query } from './statement.ts';

/** Limits in milliseconds instead of those of the role, which are made for requests. */
const limits = "SELECT set_config('statement_timeout', '60000', true), set_config('lock_timeout', '10000', true)";

/** The same for a transaction of Prisma's typed client. */
export const setLongLimits = async (client: { $executeRawUnsafe(sql: string): Promise<unknown> }): Promise<void> => {
  await client.$executeRawUnsafe(limits);
};

/** A transaction for the operator's commands: 60 s for each statement, 10 s for each lock. */
export function longTransaction<Result>(
  { transaction }: Database,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return transaction(async (query) => {
    await query({ text: limits, values: [] });
    return await work(query);
  });
}
