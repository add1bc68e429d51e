import type { Database, TypedTransaction } from '../database/client.ts';
import { longTransaction } from '../database/long-transaction.ts';
import { rowsOf } from '../database/rows.ts';
import type { Query, Statement } from '../database/statement.ts';
import { UnknownIdError } from '../errors.ts';
import {
  eraseAgentsStatement,
  eraseContentsStatement,
  eraseDeliveriesStatement,
  eraseVersionsStatement,
  lockAnswersStatement,
  lockDeletedStatement,
  waitForDeliveryStatement,
} from './erase.statements.ts';
import { lockedRowSchema } from './row.schema.ts';

/** Rows of each kind that one transaction erases at most. */
const most = 5_000;

const lockedOf = rowsOf(lockedRowSchema);

/**
 * Erases a deleted agent with its history, its deliveries, and its content in kept answers. Works in transactions of at most
 * 5,000 rows of each kind, each with its audit entry: `agent.purging`, and in the last one `agent.purged`. After an
 * interruption, call it again to continue.
 * @param operator the name for the audit entries
 * @returns how many versions were erased
 * @throws UnknownIdError when no deleted agent has the id
 */
export async function purgeAgent(database: Database, id: string, operator: string) {
  let versions = 0;
  for (let isPurged = false; !isPurged; ) {
    const part = await longTransaction(database, (query, typed) => purgePart(query, typed, id, operator));
    versions += part.versions;
    isPurged = part.isPurged;
  }
  return { id, versions };
}

async function purgePart(query: Query, typed: TypedTransaction, id: string, operator: string) {
  const count = async (statement: Statement) => (await query(statement)).length;
  const [locked] = lockedOf(await query(lockDeletedStatement(id)));
  if (!locked) throw new UnknownIdError('deleted agent', id);
  const versions = await count(eraseVersionsStatement([id], most));
  const deliveries = await count(eraseDeliveriesStatement([id], most));
  if (deliveries === 0) await query(waitForDeliveryStatement([id]));
  await query(lockAnswersStatement);
  const keptAnswers = await count(eraseContentsStatement(id, most));
  // A delivery may be left whose outcome is being written, or that a server of an earlier release has queued again. The agent is
  // erased in a later transaction then.
  const erased = Math.max(versions, deliveries, keptAnswers);
  const isPurged = erased < most && (await count(eraseAgentsStatement([id]))) > 0;
  if (erased === 0 && !isPurged) return { versions, isPurged };
  const [action, details] = isPurged ? ['agent.purged', {}] : ['agent.purging', { versions, deliveries, keptAnswers }];
  const data = { action, operator, agentId: id, companyId: locked.companyId, details };
  await typed(({ auditEntry }) => auditEntry.create({ data }));
  return { versions, isPurged };
}
