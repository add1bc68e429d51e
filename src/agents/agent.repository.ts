import { type Author, authorColumns, type Caller } from '../caller.ts';
import { conflictOver, type Database, withinLimit } from '../database/client.ts';
import { ApiError } from '../errors.ts';
import type { Idempotency } from '../idempotency.ts';
import { silent } from '../metrics/meter.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { agentChange } from './agent.change.ts';
import type { Changed, Found } from './agent.fold.ts';
import { type KeptJson, replay, toKeptAnswer } from './agent.replay.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from './agent.row.ts';
import { type AgentContent, agentFields } from './agent.schema.ts';
import { createSql, deleteSql, keepingCreateSql, numberSql, purgeSql } from './agent.statements.ts';
import { findSql } from './agent-change.statements.ts';
import { agentLists } from './agent-list.repository.ts';
import { forgetSql, idempotencyIndex, keptSql, makeRoomSql } from './agent-replay.statements.ts';

export type AgentRepository = ReturnType<typeof agentRepository>;

/** An agent to be made. */
interface NewAgent {
  /** The company that owns it, which exists. */
  readonly companyId: string;
  /** The number that it may get; null for none. */
  readonly phoneNumberId: string | null;
  /** Makes its content, from whether the number is an active one of the company. */
  readonly decide: (numberIsActive: boolean) => AgentContent;
}

type Created = Omit<Changed, 'changedFields'>;

/** Kept answers that are forgotten in one go. */
const forgotten = 500;

/** Reads and changes agents. The company is part of every write. */
export function agentRepository(database: Database, meter = silent) {
  /** The number before the kept answer: what a twin has done meanwhile must not be taken for a reason to refuse. */
  async function create(draft: NewAgent, by: Author, idempotency?: Idempotency): Promise<Created | undefined> {
    const { companyId, phoneNumberId, decide } = draft;
    const isActive = phoneNumberId !== null && (await numberIsActive(companyId, phoneNumberId));
    const kept = idempotency && 'keyId' in by && (await findReplay(by, idempotency));
    if (kept) return kept;
    const content = JSON.stringify(decide(isActive));
    const values = [companyId, content, agentFields, ...authorColumns(by)];
    if (!idempotency || !('keyId' in by)) return { agent: onlyAgent(await database.query(createSql, values)) };
    return await createAndKeep(values, by, idempotency);
  }

  /** Undefined when a twin of the request came first, or an answer that was out of date had to go. */
  async function createAndKeep(
    values: readonly unknown[],
    { keyId }: Caller,
    { key, fingerprint }: Idempotency,
  ): Promise<Created | undefined> {
    try {
      return { agent: onlyAgent(await database.query(keepingCreateSql, [...values, key, fingerprint])) };
    } catch (error) {
      const conflict = conflictOver(error, idempotencyIndex);
      if (!conflict) throw error;
      if (conflict.isHeld) throw new ApiError('IDEMPOTENCY_KEY_IN_USE');
      await database.query(makeRoomSql, [keyId, key]);
      return undefined;
    }
  }

  async function findReplay({ keyId }: Caller, idempotency: Idempotency): Promise<Changed | undefined> {
    const [row] = await database.query<{ kept: KeptJson }>(keptSql, [keyId, idempotency.key]);
    return row && replay(toKeptAnswer(row.kept), idempotency);
  }

  async function numberIsActive(companyId: string, phoneNumberId: string): Promise<boolean> {
    const [row] = await database.query<{ active: boolean }>(numberSql, [phoneNumberId, companyId]);
    return row?.active === true;
  }

  return {
    /**
     * The one way an agent is changed: `decide` makes its next content from what is stored, which is written with its
     * history entry in one statement, under the version that was read. When another change came first it is asked
     * again. Changes of one agent behave as if made one after the other.
     * @returns the agent as committed, or as found when the decision changes nothing, and which fields it changed
     * @throws what `decide` throws; ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    change: agentChange(database, meter),

    /**
     * Makes an agent, and the history entry of its first version.
     * @param idempotency that the request may be sent again: then its answer is kept, and given again
     * @throws what `decide` throws; ApiError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_KEY_IN_USE, DATABASE_UNAVAILABLE
     */
    create(draft: NewAgent, by: Author, idempotency?: Idempotency): Promise<Created> {
      let isExpired = false;
      const untilCreated = async (): Promise<Created> => {
        const created = await create(draft, by, idempotency);
        if (created) return created;
        if (isExpired) throw new ApiError('IDEMPOTENCY_KEY_IN_USE');
        return await untilCreated();
      };
      return withinLimit(untilCreated(), () => {
        isExpired = true;
      });
    },

    /** Forgets some of the answers that are older than a day; returns whether there may be more. */
    async forgetAnswers(): Promise<boolean> {
      return (await database.query(forgetSql, [forgotten])).length === forgotten;
    },

    /**
     * Deletes an agent for everybody, softly: its row and history stay.
     * @param only of this company, and at this version; the operator asks for neither
     * @returns undefined when no such agent is there (any more)
     */
    async delete(
      id: string,
      by: Author,
      {
        companyId = null,
        version = null,
      }: { readonly companyId?: string | null; readonly version?: number | null } = {},
    ): Promise<StoredAgent | undefined> {
      const values = [id, companyId, version, ...authorColumns(by)];
      const [deleted] = await withinLimit(database.query<{ agent: AgentJson }>(deleteSql, values));
      return deleted && toStoredAgent(deleted.agent);
    },

    /** What is stored of an agent now; undefined when it is not there or deleted. */
    async find(id: string, phoneNumberId: string | null): Promise<Found | undefined> {
      const [found] = await withinLimit(
        database.query<{ agent: AgentJson | null; numberIsActive: boolean }>(findSql, [
          [id],
          [phoneNumberId],
          [null],
          [null],
        ]),
      );
      return found?.agent ? { agent: toStoredAgent(found.agent), numberIsActive: found.numberIsActive } : undefined;
    },

    ...agentLists(database),

    /**
     * Erases a deleted agent with its history.
     * @returns how many versions it had
     * @throws UnknownIdError when no deleted agent has the id
     */
    async purge(id: string, operator: string): Promise<{ id: string; versions: number }> {
      const [purged] = await database.query<{ id: string; versions: number }>(purgeSql, [id, operator]);
      if (!purged) throw new UnknownIdError('deleted agent', id);
      return purged;
    },
  };
}

function onlyAgent([row]: readonly { readonly agent: AgentJson }[]): StoredAgent {
  if (!row) throw new Error('an insert returned no row');
  return toStoredAgent(row.agent);
}
