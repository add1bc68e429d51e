import { rowsOf } from './rows.ts';
import { type DatabaseState, runningSchema, stateSchema } from './schema.ts';

/** The `application_name` of the connections of a server's pool. */
export const applicationName = 'interview-agents-api';

const statesOf = rowsOf(stateSchema);
const runningOf = rowsOf(runningSchema);

/** Selects a `DatabaseState`. Raw: no model of Prisma's client has it. */
export const stateSql = `
  SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly",
         ARRAY(SELECT migration_name FROM _prisma_migrations
                WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL) AS migrations`;

export function toState(rows: readonly unknown[]): DatabaseState {
  const [state] = statesOf(rows);
  if (!state) throw new Error('the database told no state');
  return state;
}

/**
 * Selects whether a statement of a server, of this process or another one, still runs after its time limit:
 * `statement_timeout` does not end a commit. PostgreSQL shows a role what the sessions of the same role do.
 */
export const runningSql = `
  SELECT EXISTS (SELECT FROM pg_stat_activity
                  WHERE datname = current_database() AND usename = current_user AND state = 'active'
                    AND application_name LIKE '${applicationName}%'
                    AND query_start < statement_timestamp() - current_setting('statement_timeout')::interval) AS running`;

export const someRunOn = (rows: readonly unknown[]): boolean => runningOf(rows)[0]?.running === true;
