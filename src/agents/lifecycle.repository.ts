import type { Author, Caller } from '../auth/caller.ts';
import { confirm, mustConfirm } from '../auth/lookup.repository.ts';
import { shareNumbersStatement } from '../companies/number-lock.statements.ts';
import type { Database, TypedTransaction } from '../database/client.ts';
import { isLockTimeout, isTaken } from '../database/failures.ts';
import { fairLimit } from '../database/fair-limit.ts';
import { jsonRowsOf } from '../database/rows.ts';
import type { Query, Statement } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';
import { ApiError, timedOut } from '../http/problems.ts';
import { type AgentContent, agentFields } from './fields.ts';
import { completeKept } from './history/snapshot.ts';
import { keptJsonSchema } from './row.schema.ts';
import type { StoredAgent } from './row.ts';
import { type Creation, createStatement, type Deletion, deleteStatement } from './statements.ts';
import { type Write, writeAtOnce, writeConfirmed } from './write/confirmed.ts';
import type { Changed } from './write/decision.ts';
import { lastTry, mustHurry, waitForKey } from './write/keep.ts';
import { deleteExpiredStatement, idempotencyIndex, keptStatement } from './write/kept.statements.ts';
import { lockSoonStatement, lockStatement, shortWaitStatement } from './write/lock.statements.ts';
import { replay } from './write/replay.ts';
import { keepStatement } from './write/statements.ts';

interface NewAgent {
  /** The company that owns it; must exist. */
  readonly companyId: string;
  /** The id of its phone number; null for none. */
  readonly phoneNumberId: string | null;
  /** Makes the content, given whether the number is active and belongs to the company. Throws if a rule is broken. */
  readonly decide: (numberIsActive: boolean) => AgentContent;
}

type Created = Omit<Changed, 'changedFields'>;

/** A creation as far as it is decided before the key is looked up again. */
type Plan = Omit<Creation, 'lookedUpAt' | 'keep'> & { readonly draft: NewAgent };

const keptIn = jsonRowsOf(keptJsonSchema);

export function agentLifecycle(database: Database) {
  // A quarter: `changesAlone` takes half of the connections, so of four or more some are left for requests that wait for no row.
  const lockInTurn = fairLimit(Math.max(1, Math.floor(database.connections / 4)));

  /**
   * One attempt to create an agent; undefined if it must be repeated. Reads the number before the kept answer: if the number
   * is deactivated after a concurrent request with the same key, this request still finds that answer, not a fault.
   */
  async function tryToCreate(draft: NewAgent, by: Author, idempotency?: Idempotency): Promise<Created | undefined> {
    const isActive = await numberIsActive(database.typed, draft);
    const kept = idempotency && 'keyId' in by && (await keptAnswer(by, idempotency));
    if (kept) return kept;
    const plan = { draft, companyId: draft.companyId, content: draft.decide(isActive), by };
    if (idempotency && 'keyId' in by) return await createAndKeep(plan, by, idempotency);
    return { agent: (await createAtOnce(plan)) ?? (await createConfirmed(plan)) };
  }

  /** Undefined if nothing was written: the agent gets a phone number, or the lookup of the key is too old. */
  async function createAtOnce(plan: Plan, keep?: Creation['keep']) {
    if (plan.draft.phoneNumberId !== null) return undefined;
    return await writeAtOnce(database, plan.by, (lookedUpAt) => createStatement({ ...plan, lookedUpAt, keep }));
  }

  /**
   * Undefined if the creation must be repeated: a concurrent request still holds the key, or a short wait for another lock ended;
   * an answer is kept for the key, perhaps an expired one, which is deleted; or the number was deactivated after it was read.
   */
  async function createAndKeep(plan: Plan, by: Caller, idempotency: Idempotency): Promise<Created | undefined> {
    const keep = { ...idempotency, keyId: by.keyId };
    // What must be confirmed is not tried at once, so it has waited for no lock yet.
    const isHurried = mustHurry(by) || mustConfirm(by);
    try {
      const created = isHurried ? undefined : await createAndKeepAtOnce(plan, keep);
      return { agent: created ?? (await createConfirmed(plan, keep, isHurried)) };
    } catch (error) {
      const code = error instanceof ApiError ? error.code : undefined;
      if (code === 'VALIDATION_FAILED') return undefined;
      const isHeld = code === 'IDEMPOTENCY_KEY_IN_USE' || (isHurried && isLockTimeout(error));
      if (isHeld && by.deadline.left() > lastTry) return undefined;
      if (!isTaken(error, idempotencyIndex)) throw error;
      await database.query(deleteExpiredStatement(by.keyId, idempotency.key));
      return undefined;
    }
  }

  /** Undefined if nothing was written: as `createAtOnce`, or a lock was held for too long. */
  async function createAndKeepAtOnce(plan: Plan, keep: Creation['keep']) {
    try {
      return await createAtOnce(plan, keep);
    } catch (error) {
      if (isLockTimeout(error)) return undefined;
      throw error;
    }
  }

  /**
   * Creates the agent in a transaction, after its author was checked again. With `keep`, a statement of its own keeps the answer:
   * a lock timeout in that one is known to concern the idempotency key.
   */
  function createConfirmed(plan: Plan, keep?: Creation['keep'], isHurried = false): Promise<StoredAgent> {
    return database.transaction(async (query, typed) => {
      // Little time is left, or `createAtOnce` may have waited for a lock for the full time limit already.
      if (keep && (isHurried || plan.draft.phoneNumberId === null)) await query(shortWaitStatement);
      await keepNumber(query, typed, plan.draft);
      const [agent] = await writeConfirmed(query, plan.by, (lookedUpAt) => createStatement({ ...plan, lookedUpAt }));
      // The statement came more than a second after the lookup twice.
      if (!agent) throw timedOut();
      if (keep) {
        const { keyId: api_key, key, fingerprint } = keep;
        const answer = { agent_id: agent.id, agent, changed: agentFields, updated: agent.updatedAt };
        await waitForKey(query(keepStatement([{ api_key, key, fingerprint, ...answer }])));
      }
      return agent;
    });
  }

  /**
   * Deletes at once if the row is not locked. Otherwise waits for the row lock, and looks the key up again after that. A request
   * waits 100 ms at a time, in its turn: undefined if the lock is still held, or the turn came after the deadline.
   */
  async function deleteRow(wanted: Omit<Deletion, 'lookedUpAt'>): Promise<StoredAgent | undefined> {
    const { id, by } = wanted;
    const write: Write = (lookedUpAt) => deleteStatement({ ...wanted, lookedUpAt });
    const deleted = await writeAtOnce(database, by, write);
    if (deleted) return deleted;
    const deleteLocked = (lock: Statement) =>
      database.transaction(async (query) => {
        await query(lock);
        return (await writeConfirmed(query, by, write))[0];
      });
    if ('operator' in by) return await deleteLocked(lockStatement(id));
    try {
      return await lockInTurn(by.companyId, async () =>
        by.deadline.left() > 0 ? await deleteLocked(lockSoonStatement(id)) : undefined,
      );
    } catch (error) {
      if (isLockTimeout(error)) return undefined;
      throw error;
    }
  }

  async function keptAnswer(by: Caller, idempotency: Idempotency): Promise<Changed | undefined> {
    const [kept] = keptIn(await database.query(keptStatement(by.keyId, idempotency.key)));
    if (!kept) return undefined;
    const replayed = replay(await completeKept(database.query, kept), idempotency);
    await confirm(database.query, by);
    return replayed;
  }

  /** Keeps the phone number active until the transaction ends. Throws what `decide` throws if it is not active any more. */
  async function keepNumber(query: Query, typed: TypedTransaction, draft: NewAgent): Promise<void> {
    if (draft.phoneNumberId === null) return;
    await query(shareNumbersStatement([draft.phoneNumberId]));
    draft.decide(await numberIsActive(typed, draft));
  }

  async function numberIsActive(typed: TypedTransaction, { companyId, phoneNumberId }: NewAgent): Promise<boolean> {
    if (phoneNumberId === null) return false;
    const where = { id: phoneNumberId, companyId, status: 'ACTIVE' };
    return (await typed(({ companyPhoneNumber }) => companyPhoneNumber.count({ where }))) > 0;
  }

  return {
    /**
     * Creates an agent and the history entry of its first version.
     * @param idempotency the Idempotency-Key of the request: an answer kept under it is replayed, else the answer is kept
     * @throws what `decide` throws; ApiError IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_KEY_IN_USE, DATABASE_UNAVAILABLE
     */
    async create(draft: NewAgent, by: Author, idempotency?: Idempotency): Promise<Created> {
      for (;;) {
        const created = await tryToCreate(draft, by, idempotency);
        if (created) return created;
        if ('operator' in by || by.deadline.left() <= 0) throw new ApiError('IDEMPOTENCY_KEY_IN_USE');
      }
    },

    /**
     * The answer that is kept for a request; undefined without one.
     * @throws ApiError IDEMPOTENCY_KEY_REUSED, DATABASE_UNAVAILABLE; that of a key or grant that has ended
     */
    keptAnswer,

    /**
     * Soft-deletes an agent: no request finds it any more; its row and history stay.
     * @returns undefined if there is no such agent, or it has another version or company; for a request also if its row is locked
     */
    delete: deleteRow,
  };
}
