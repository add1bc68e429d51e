import type { Database, TypedTransaction } from './client.ts';
import type { Query } from './statement.ts';

/**
 * Limits in milliseconds instead of those of the role, which are made for requests. `application_name` changes too:
 * otherwise servers of the same role would count these statements as overdue ones of theirs (`hasOverdueStatements`).
 */
const limits = {
  text: `
  SELECT set_config('statement_timeout', '60000', true), set_config('lock_timeout', '10000', true),
         set_config('application_name', 'operator, ' || current_setting('application_name'), true)`,
  values: [],
};

/** A transaction for the operator's commands: 10 s for each lock, 60 s for all of its statements together. */
export function longTransaction<Result>(
  { transaction }: Database,
  work: (query: Query, typed: TypedTransaction) => Promise<Result>,
): Promise<Result> {
  return transaction(async (query, typed) => {
    await query(limits);
    return await work(query, typed);
  });
}

/** The same for work that only reads, which goes on while writes are refused. */
export function longRead<Result>(
  { readTransaction }: Database,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return readTransaction(async (query) => {
    await query(limits);
    return await work(query);
  });
}
