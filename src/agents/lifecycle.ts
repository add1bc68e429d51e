import type { Author, Caller } from '../auth/caller.ts';
import { unlessRefused } from '../auth/lookup.ts';
import { conflictOver, type Database, type Query, withinLimit } from '../database/client.ts';
import { run, type Statement } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { ApiError } from '../http/problems.ts';
import type { AgentContent } from './fields.ts';
import { completeKept } from './history/snapshot.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from './row.ts';
import { activeNumberStatement, createStatement, deleteStatement } from './statements.ts';
import type { Changed } from './write/fold.ts';
import { idempotencyIndex, keptSql, makeRoomSql } from './write/replay.statements.ts';
import { type KeptJson, replay } from './write/replay.ts';
import { lockSql } from './write/statements.ts';

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

/** Makes and deletes agents. */
export function agentLifecycle(database: Database) {
  /** The number before the kept answer: what a twin has done meanwhile must not be taken for a reason to refuse. */
  async function create(draft: NewAgent, by: Author, idempotency?: Idempotency): Promise<Created | undefined> {
    const { companyId, phoneNumberId, decide } = draft;
    const isActive = phoneNumberId !== null && (await numberIsActive(companyId, phoneNumberId));
    const kept = idempotency && 'keyId' in by && (await findReplay(by, idempotency));
    if (kept) return resultOf(await unlessRefused(database.query, by, async () => kept));
    const content = decide(isActive);
    if (!idempotency || !('keyId' in by)) {
      return { agent: onlyAgent(await write(by, createStatement({ companyId, content, by }))) };
    }
    return await createAndKeep(companyId, content, by, idempotency);
  }

  /** Undefined when a twin of the request came first, or an answer that was out of date had to go. */
  async function createAndKeep(
    companyId: string,
    content: AgentContent,
    by: Caller,
    idempotency: Idempotency,
  ): Promise<Created | undefined> {
    try {
      const keep = { ...idempotency, keyId: by.keyId };
      return { agent: onlyAgent(await write(by, createStatement({ companyId, content, by, keep }))) };
    } catch (error) {
      const conflict = conflictOver(error, idempotencyIndex);
      if (!conflict) throw error;
      if (conflict.isHeld) throw new ApiError('IDEMPOTENCY_KEY_IN_USE');
      await database.query(makeRoomSql, [by.keyId, idempotency.key]);
      return undefined;
    }
  }

  /** The key is confirmed on the connection that writes, when it is there. */
  async function write(by: Author, statement: Statement): Promise<AgentRow[]> {
    const confirmed = (query: Query) => unlessRefused(query, by, () => run<AgentRow>(query, statement));
    return resultOf(await database.session(confirmed));
  }

  /** Of an agent whose row is free; else the row is waited for, and the key confirmed behind that. */
  async function deleteRow(id: string, by: Author, statement: Statement): Promise<AgentRow | undefined> {
    const [deleted] = await write(by, statement);
    if (deleted) return deleted;
    const [late] = resultOf(
      await database.transaction(async (query) => {
        await query(lockSql, [id]);
        return await unlessRefused(query, by, () => run<AgentRow>(query, statement));
      }),
    );
    return late;
  }

  async function findReplay({ keyId }: Caller, idempotency: Idempotency): Promise<Changed | undefined> {
    const [row] = await database.query<{ kept: KeptJson }>(keptSql, [keyId, idempotency.key]);
    return row && replay(await completeKept(database.query, row.kept), idempotency);
  }

  async function numberIsActive(companyId: string, phoneNumberId: string): Promise<boolean> {
    const [row] = await run<{ active: boolean }>(database.query, activeNumberStatement(phoneNumberId, companyId));
    return row?.active === true;
  }

  return {
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
      const deleted = await withinLimit(deleteRow(id, by, deleteStatement({ id, companyId, version, by })));
      return deleted && toStoredAgent(deleted.agent);
    },
  };
}

interface AgentRow {
  readonly agent: AgentJson;
}

/** @throws the error, where there is one */
function resultOf<Result>(end: { readonly result: Result } | { readonly error: unknown }): Result {
  if ('error' in end) throw end.error;
  return end.result;
}

function onlyAgent([row]: readonly AgentRow[]): StoredAgent {
  if (!row) throw new Error('an insert returned no row');
  return toStoredAgent(row.agent);
}
