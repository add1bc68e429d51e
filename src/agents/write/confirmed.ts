import type { Author } from '../../auth/caller.ts';
import { confirm, mustConfirm, outdate } from '../../auth/lookup.repository.ts';
import type { Database } from '../../database/client.ts';
import { jsonRowsOf } from '../../database/rows.ts';
import type { Query, Statement } from '../../database/statement.ts';
import { agentJsonSchema } from '../row.schema.ts';
import { type StoredAgent, toStoredAgent } from '../row.ts';

/** Makes a statement that writes only if the lookup of the key is recent (`isRecent`); null for an operator, who has no key. */
export type Write = (lookedUpAt: number | null) => Statement;

const agentsIn = jsonRowsOf(agentJsonSchema);

/**
 * Writes in one statement. Undefined if nothing was written, for example because the lookup of the key is too old, or the
 * statement could reach the database after the deadline of the request.
 */
export async function writeAtOnce(database: Database, by: Author, write: Write): Promise<StoredAgent | undefined> {
  if (!('operator' in by) && mustConfirm(by)) return undefined;
  return (await written(database.query, by, write))[0];
}

/**
 * Writes in a transaction that holds all locks that it needs, after its author was checked again on its connection. If nothing
 * was written, the statement may have come more than a second after the lookup: repeats both once.
 */
export async function writeConfirmed(query: Query, by: Author, write: Write): Promise<StoredAgent[]> {
  await confirm(query, by);
  const agents = await written(query, by, write);
  if (agents.length > 0 || 'operator' in by) return agents;
  outdate([by]);
  await confirm(query, by);
  return await written(query, by, write);
}

async function written(query: Query, by: Author, write: Write): Promise<StoredAgent[]> {
  return agentsIn(await query(write('operator' in by ? null : by.admission.databaseTime))).map(toStoredAgent);
}
