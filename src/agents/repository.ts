import type { Caller } from '../auth/caller.ts';
import { confirm } from '../auth/lookup.repository.ts';
import type { Database } from '../database/client.ts';
import { recentWrites } from '../database/recent-writes.ts';
import { jsonRowsOf } from '../database/rows.ts';
import { silent } from '../metrics/meter.ts';
import { untraced } from '../tracing/spans.ts';
import { agentLifecycle } from './lifecycle.repository.ts';
import { agentLists } from './list.repository.ts';
import { foundRowSchema } from './row.schema.ts';
import { type AgentInPath, toStoredAgent } from './row.ts';
import type { DecisionInput } from './write/decision.ts';
import { findStatement } from './write/find.statements.ts';
import { deleteOldAnswersStatement } from './write/kept.statements.ts';
import { agentChange } from './write/modes.ts';

export type AgentRepository = ReturnType<typeof agentRepository>;

const foundIn = jsonRowsOf(foundRowSchema);

/** Kept answers that one statement deletes at most. */
const answersAtOnce = 500;

/** Reads and changes agents. Every write by a request has the company as a condition. */
export function agentRepository(database: Database, meter = silent, writes = recentWrites(), traced = untraced) {
  /** An agent as stored, with the state of a phone number; undefined if there is no such agent or it is deleted. */
  async function find(id: string, phoneNumberId: string | null): Promise<DecisionInput | undefined> {
    const [found] = foundIn(await database.query(findStatement([{ id, phoneNumberId }])));
    return found?.agent ? { agent: toStoredAgent(found.agent), numberIsActive: found.numberIsActive } : undefined;
  }

  return {
    /**
     * The only way to change an agent. `decide` makes the next content from the stored one; it is written with its history
     * entry in one statement, if the stored row is still the one that was read. Otherwise `decide` is called again.
     * Changes of one agent are serializable: they behave as if made one after the other.
     * @returns the agent as committed, or as stored if the decision changes nothing, and the changed fields
     * @throws what `decide` throws; ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    change: agentChange(database, meter, writes, traced),

    find,

    /** Checks the caller of a request again, for an answer without a write: throws like `confirm`, does nothing within a second. */
    confirm: (by: Caller) => confirm(database.query, by),

    /**
     * Reads an agent of a company, for a decision later in the request. The owner is read first: the time of a request must
     * not depend on what another company has stored.
     */
    async readAhead(id: string, companyId: string | null): Promise<AgentInPath> {
      const readOrder = writes.beginRead();
      const living = { id, deletedAt: null };
      const owner = await database.typed(({ agent }) =>
        agent.findFirst({ where: living, select: { companyId: true } }),
      );
      const isForeign = owner !== null && owner.companyId !== companyId;
      return { agent: owner && !isForeign ? (await find(id, null))?.agent : undefined, isForeign, readOrder };
    },

    ...agentLifecycle(database),

    /** Deletes a batch of kept answers that are older than 24 hours; returns whether there may be more. */
    async forgetAnswers(): Promise<boolean> {
      return (await database.query(deleteOldAnswersStatement(answersAtOnce))).length === answersAtOnce;
    },

    ...agentLists(database),
  };
}
