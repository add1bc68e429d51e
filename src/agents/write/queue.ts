import pLimit from 'p-limit';
import type { Caller } from '../../auth/caller.ts';
import { type Database, withinLimit } from '../../database/client.ts';
import { isLockTimeout, isTaken } from '../../database/failures.ts';
import { group, type Outcome } from '../../database/group.ts';
import type { RecentWrites } from '../../database/recent-writes.ts';
import { ApiError } from '../../http/problems.ts';
import type { Meter } from '../../metrics/meter.ts';
import { type Change, carryOut } from './batch.ts';
import type { Changed, Decide } from './fold.ts';
import { hurrySql, idempotencyIndex, makeRoomSql } from './replay.statements.ts';
import { lockSql } from './statements.ts';

/** A change that waits for its turn. */
interface Waiting extends Change {
  /** How often another change of its agent came first. */
  readonly lost: number;
  readonly state: {
    /** Whether its caller has been answered already. */
    expired: boolean;
    /** Whether its batch has waited in vain for a request with its idempotency key, or that of a neighbour. */
    hasWaited: boolean;
  };
}

type Outcomes = readonly Outcome<Waiting, Changed>[];

/**
 * Larger batches leave the server idle while PostgreSQL works, and the other way round. The database refuses the server's
 * role more than 100 changes of one agent in one statement (trigger `agent_update_values`).
 */
const batches = { size: 32, waiting: 1_000, isExpired: ({ state }: Waiting) => state.expired };

/** Changes agents: those that arrive together are read and written together. */
export function agentChange(database: Database, meter: Meter, writes: RecentWrites) {
  // All changes of one agent pass through one lane: no two batches of this process ever want the same row.
  const lanes = [lane(), lane()] as const;
  const crowds = new Map<string, { readonly join: ReturnType<typeof lane>; members: number }>();
  const oneOfAFew = pLimit(Math.max(1, Math.floor(database.connections / 2)));

  function told(undone: number): void {
    for (let change = 0; change < undone; change += 1) meter.repeated('undone');
  }

  /** Changes that arrive together are carried out together. */
  function lane() {
    return group<Waiting, Changed>({
      ...batches,
      onBatch: (...batch) => meter.batch('changes', ...batch),
      onUndone: told,
      run: (changes) =>
        mindingKeys(changes, async () => {
          const [first, ...others] = changes;
          if (first?.state.hasWaited && others.length === 0) return carryOutLocked(changes);
          const ended = await carryOut(database, changes, writes);
          return changes.map((change, place) => ended[place] ?? afterLoss(change));
        }),
    });
  }

  /** Once more in the next batch; then with the row locked. */
  function afterLoss(change: Waiting): Outcome<Waiting, Changed> {
    const again = { ...change, readAhead: undefined, lost: change.lost + 1 };
    meter.repeated(again.lost < 2 ? 'lost' : 'locked');
    return again.lost < 2 ? { again } : { result: joinCrowd(again) };
  }

  /** Changes of one agent that somebody else changes too, or holds: they wait for its row, and nobody waits for them. */
  async function joinCrowd(change: Waiting): Promise<Changed> {
    const { id } = change;
    const crowd = crowds.get(id) ?? {
      join: group<Waiting, Changed>({
        ...batches,
        onBatch: (...batch) => meter.batch('locked changes', ...batch),
        onUndone: told,
        run: (changes) => mindingKeys(changes, () => carryOutLocked(changes)),
      }),
      members: 0,
    };
    crowds.set(id, crowd);
    crowd.members += 1;
    try {
      return await crowd.join(change);
    } finally {
      crowd.members -= 1;
      if (crowd.members === 0) crowds.delete(id);
    }
  }

  function carryOutLocked(changes: readonly Waiting[]): Promise<Outcomes> {
    return oneOfAFew(() =>
      database.transaction(async (query) => {
        await query(lockSql, [changes[0]?.id]);
        if (changes.some(({ state }) => state.hasWaited)) await query(hurrySql, []);
        const unread = changes.map((change) => ({ ...change, readAhead: undefined }));
        const ended = await carryOut({ query, transaction: (work) => work(query) }, unread, writes);
        return ended.map((end) => end ?? { error: new Error('a locked row was changed by somebody else') });
      }),
    );
  }

  /**
   * Runs a batch. Where the key of a request is in the way, all of it was undone: the batch runs again one by one, and
   * the request alone finds the answer that its twin was given in the meantime, or has waited in vain for one. Its second
   * wait is short, or its neighbours would run out of time behind it.
   */
  async function mindingKeys(changes: readonly Waiting[], run: () => Promise<Outcomes>): Promise<Outcomes> {
    try {
      return await run();
    } catch (error) {
      const isHeld = isLockTimeout(error) && changes.some(({ idempotency }) => idempotency !== undefined);
      const [change, ...others] = changes;
      if (!change || !(isHeld || isTaken(error, idempotencyIndex))) throw error;
      if (others.length > 0) {
        if (isHeld) for (const { state, idempotency } of changes) state.hasWaited = idempotency !== undefined;
        throw error instanceof ApiError ? error.cause : error;
      }
      if (isHeld) throw new ApiError('IDEMPOTENCY_KEY_IN_USE');
      meter.repeated('key');
      await database.query(makeRoomSql, [change.by.keyId, change.idempotency?.key]);
      return [{ again: change }];
    }
  }

  /** See `agentRepository`. */
  return (wanted: Omit<Change, 'by' | 'decide'>, by: Caller, decide: Decide): Promise<Changed> => {
    const state = { expired: false, hasWaited: false };
    const change = { ...wanted, by, decide, lost: 0, state };
    const isOdd = Number.parseInt(wanted.id.slice(-1), 16) % 2 === 1;
    const join = crowds.has(wanted.id) ? joinCrowd : lanes[isOdd ? 1 : 0];
    return withinLimit(join(change), () => {
      state.expired = true;
    });
  };
}
