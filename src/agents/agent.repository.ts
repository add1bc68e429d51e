import pLimit from 'p-limit';
import type { Caller } from '../caller.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { group, type Outcome } from '../database/group.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { type Change, carryOut } from './agent.batch.ts';
import type { Decide } from './agent.fold.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from './agent.row.ts';
import { type AgentContent, agentFields } from './agent.schema.ts';
import { createSql, deleteSql, listSql, lockSql, numberSql, purgeSql } from './agent.statements.ts';

/** A change that waits for its turn. */
interface Waiting extends Change {
  /** How often another change of its agent came first. */
  readonly lost: number;
  /** Whether its caller has been answered already. */
  readonly state: { expired: boolean };
}

export type AgentRepository = ReturnType<typeof agentRepository>;

/** Larger batches leave the server idle while PostgreSQL works, and the other way round. */
const batches = { size: 32, waiting: 1_000, isExpired: ({ state }: Waiting) => state.expired };

/** Agents that a lane remembers having written: more than it writes while a request is on its way to it. */
const remembered = 256;

/** Reads and changes agents. The company is part of every write. */
export function agentRepository(database: Database) {
  // All changes of one agent pass through one lane: no two batches of this process ever want the same row.
  const lanes = [lane(), lane()] as const;
  const crowds = new Map<string, { readonly join: ReturnType<typeof lane>; members: number }>();
  const oneOfAFew = pLimit(Math.max(1, Math.floor(database.connections / 2)));

  /** Changes that arrive together are carried out together. */
  function lane() {
    const written = new Map<string, StoredAgent>();
    return group<Waiting, StoredAgent>({
      ...batches,
      async run(changes) {
        const ended = await carryOut(database.query, changes, written);
        for (const id of written.keys()) if (written.size > remembered) written.delete(id);
        return changes.map((change, place) => ended[place] ?? afterLoss(change));
      },
    });
  }

  /** Once more in the next batch; then with the row locked. */
  function afterLoss(change: Waiting): Outcome<Waiting, StoredAgent> {
    const again = { ...change, readAhead: undefined, lost: change.lost + 1 };
    return again.lost < 2 ? { again } : { result: joinCrowd(again) };
  }

  /** Changes of one agent that somebody else changes too, or holds: they wait for its row, and nobody waits for them. */
  async function joinCrowd(change: Waiting): Promise<StoredAgent> {
    const { id } = change;
    const crowd = crowds.get(id) ?? {
      join: group<Waiting, StoredAgent>({ ...batches, run: carryOutLocked }),
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

  function carryOutLocked(changes: readonly Waiting[]): Promise<Outcome<Waiting, StoredAgent>[]> {
    return oneOfAFew(() =>
      database.transaction(async (query) => {
        await query(lockSql, [changes[0]?.id]);
        const unread = changes.map((change) => ({ ...change, readAhead: undefined }));
        const ended = await carryOut(query, unread, new Map());
        return ended.map((end) => end ?? { error: new Error('a locked row was changed by somebody else') });
      }),
    );
  }

  return {
    /**
     * The one way an agent is changed: `decide` makes its next content from what is stored, which is written with its
     * history entry in one statement, under the version that was read. When another change came first it is asked
     * again. Changes of one agent behave as if made one after the other.
     * @returns the agent as committed; as found, when the decision changes nothing
     * @throws what `decide` throws; ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    change(wanted: Omit<Change, 'by' | 'decide'>, by: Caller, decide: Decide): Promise<StoredAgent> {
      const state = { expired: false };
      const change = { ...wanted, by, decide, lost: 0, state };
      const isOdd = Number.parseInt(wanted.id.slice(-1), 16) % 2 === 1;
      const join = crowds.has(wanted.id) ? joinCrowd : lanes[isOdd ? 1 : 0];
      return withinLimit(join(change), () => {
        state.expired = true;
      });
    },

    /** Makes an agent, and the history entry of its first version. */
    async create(companyId: string, content: AgentContent): Promise<StoredAgent> {
      const values = [companyId, JSON.stringify(content), agentFields];
      const [created] = await database.query<{ agent: AgentJson }>(createSql, values);
      if (!created) throw new Error('an insert returned no row');
      return toStoredAgent(created.agent);
    },

    /** Deletes an agent for everybody, softly: its row and history stay. Undefined when it is not there (any more). */
    async delete(id: string): Promise<StoredAgent | undefined> {
      const [deleted] = await database.query<{ agent: AgentJson }>(deleteSql, [id]);
      return deleted && toStoredAgent(deleted.agent);
    },

    /** The agents of a company, the newest first. */
    async list(companyId: string): Promise<StoredAgent[]> {
      const rows = await database.query<{ agent: AgentJson }>(listSql, [companyId]);
      return rows.map(({ agent }) => toStoredAgent(agent));
    },

    /**
     * Erases a deleted agent with its history.
     * @returns how many versions it had
     * @throws UnknownIdError when no deleted agent has the id
     */
    async purge(id: string): Promise<{ id: string; versions: number }> {
      const [purged] = await database.query<{ id: string; versions: number }>(purgeSql, [id]);
      if (!purged) throw new UnknownIdError('deleted agent', id);
      return purged;
    },

    /** Whether a number is an active one of the company. */
    async numberIsActive(companyId: string, phoneNumberId: string): Promise<boolean> {
      const [row] = await database.query<{ active: boolean }>(numberSql, [phoneNumberId, companyId]);
      return row?.active === true;
    },
  };
}
