import type { Author } from '../../auth/caller.ts';
import { confirm, isOutdated, mustConfirm } from '../../auth/lookup.repository.ts';
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
 * Writes in a transaction that holds all locks that it needs, after its author was checked again on its connection; again if
 * the statement came more than a second after the lookup.
 */
export async function writeConfirmed(query: Query, by: Author, write: Write): Promise<StoredAgent[]> {
  await confirm(query, by);
  const agents = await written(query, by, write);
  const isTooLate = agents.length === 0 && !('operator' in by) && isOutdated(by.admission);
  return isTooLate ? await writeConfirmed(query, by, write) : agents;
}

async function written(query: Query, by: Author, write: Write): Promise<StoredAgent[]> {
  return agentsIn(await query(write('operator' in by ? null : by.admission.databaseTime))).map(toStoredAgent);
}
