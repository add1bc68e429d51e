import type { Author } from '../../auth/caller.ts';
import { confirm, mustConfirm } from '../../auth/lookup.repository.ts';
import type { Database } from '../../database/client.ts';
import { jsonRowsOf } from '../../database/rows.ts';
import type { Query, Statement } from '../../database/statement.ts';
import { agentJsonSchema } from '../row.schema.ts';
import { type StoredAgent, toStoredAgent } from '../row.ts';

/** Makes a statement that writes only if the lookup of the key is recent; null if the key was checked before. */
export type Write = (lookedUpAt: number | null) => Statement;

const agentsIn = jsonRowsOf(agentJsonSchema);

/**
 * Writes in one statement. Undefined if nothing was written, for example because the lookup of the key is too old, or the
 * statement could reach the database after the deadline of the request.
 */
export async function writeAtOnce(database: Database, by: Author, write: Write): Promise<StoredAgent | undefined> {
  const admission = 'operator' in by ? undefined : by.admission;
  if (!('operator' in by) && mustConfirm(by)) return undefined;
  const [agent] = agentsIn(await database.query(write(admission?.databaseTime ?? null)));
  return agent && toStoredAgent(agent);
}

/** Writes in a transaction that holds all locks that it needs, after its author was checked again on its connection. */
export async function writeConfirmed(query: Query, by: Author, write: Write): Promise<StoredAgent[]> {
  await confirm(query, by);
  return agentsIn(await query(write(null))).map(toStoredAgent);
}
