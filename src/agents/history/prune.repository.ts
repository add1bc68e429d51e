import type { Database } from '../../database/client.ts';
import { databaseTime } from '../../database/clock.ts';
import { longRead, longTransaction } from '../../database/long-transaction.ts';
import { rowsOf } from '../../database/rows.ts';
import { lowestId } from '../../http/uuid.ts';
import { pageAgents, planStatement, pruneStatement, type Range } from './prune.statements.ts';
import { plannedRowSchema, removedRowSchema } from './row.schema.ts';

/** Versions at which a batch ends; those of its last agent can exceed the number. */
const batchVersions = 5_000;

const day = 24 * 60 * 60 * 1_000;

const plannedOf = rowsOf(plannedRowSchema);
const removedOf = rowsOf(removedRowSchema);

/**
 * Removes versions of agents that are not deleted, if they are older than some days by the database's clock; never the last
 * `keep` of an agent. Works in batches of about 5,000, each in one transaction with its audit entry. After an interruption
 * every history is still complete from some version on, and the next run continues.
 * @param operator the name for the audit entries
 * @returns how many versions were removed, and of how many agents
 */
export async function pruneHistory(database: Database, days: number, keep: number, operator: string) {
  const now = await databaseTime(database.prisma);
  const pruning = { before: new Date(now.getTime() - days * day).toISOString(), keep };
  let versions = 0;
  let agents = 0;
  let batch: Range[] = [];
  let lastCounted: string | undefined;

  async function removeBatch(): Promise<void> {
    if (batch.length === 0) return;
    const statement = pruneStatement(batch, pruning, operator);
    const [removed] = removedOf(await longTransaction(database, (query) => query(statement)));
    versions += removed?.versions ?? 0;
    // An agent with too many versions for one batch is continued in the next.
    agents += batch.filter(({ id }) => id !== lastCounted).length;
    lastCounted = batch.at(-1)?.id;
    batch = [];
  }

  for (let after = lowestId, isEnd = false; !isEnd; ) {
    const statement = planStatement(after, pruning);
    const page = plannedOf(await longRead(database, (query) => query(statement)));
    isEnd = page.length < pageAgents;
    for (const { id, first, stays, more } of page) {
      if (first !== null && stays !== null) batch.push({ id, first, stays });
      if (more || sizeOf(batch) >= batchVersions) await removeBatch();
      if (more) {
        // Plan this agent and those behind it again.
        isEnd = false;
        break;
      }
      after = id;
    }
  }
  await removeBatch();
  return { versions, agents };
}

const sizeOf = (batch: readonly Range[]) => batch.reduce((sum, { first, stays }) => sum + stays - first, 0);
