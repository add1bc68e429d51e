import pLimit from 'p-limit';
import { type Author, authorColumns, type Caller } from '../caller.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { group, type Outcome } from '../database/group.ts';
import { itemsBefore, type Page } from '../page.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { type Change, carryOut } from './agent.batch.ts';
import type { Changed, Decide, Found } from './agent.fold.ts';
import { type AgentJson, type StoredAgent, toStoredAgent } from './agent.row.ts';
import { type AgentContent, type AgentListQuery, agentFields } from './agent.schema.ts';
import {
  countSql,
  createSql,
  deleteSql,
  type FilterName,
  findSql,
  isFilterName,
  listSql,
  lockSql,
  numberSql,
  purgeSql,
} from './agent.statements.ts';

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

/** What a list may be narrowed by; every one that is given must hold. */
type AgentFilter = Pick<AgentListQuery, FilterName>;

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
    return group<Waiting, Changed>({
      ...batches,
      async run(changes) {
        const ended = await carryOut(database.query, changes, written);
        for (const id of written.keys()) if (written.size > remembered) written.delete(id);
        return changes.map((change, place) => ended[place] ?? afterLoss(change));
      },
    });
  }

  /** Once more in the next batch; then with the row locked. */
  function afterLoss(change: Waiting): Outcome<Waiting, Changed> {
    const again = { ...change, readAhead: undefined, lost: change.lost + 1 };
    return again.lost < 2 ? { again } : { result: joinCrowd(again) };
  }

  /** Changes of one agent that somebody else changes too, or holds: they wait for its row, and nobody waits for them. */
  async function joinCrowd(change: Waiting): Promise<Changed> {
    const { id } = change;
    const crowd = crowds.get(id) ?? {
      join: group<Waiting, Changed>({ ...batches, run: carryOutLocked }),
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

  function carryOutLocked(changes: readonly Waiting[]): Promise<Outcome<Waiting, Changed>[]> {
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
     * @returns the agent as committed, or as found when the decision changes nothing, and which fields it changed
     * @throws what `decide` throws; ApiError OVERLOADED, DATABASE_UNAVAILABLE
     */
    change(wanted: Omit<Change, 'by' | 'decide'>, by: Caller, decide: Decide): Promise<Changed> {
      const state = { expired: false };
      const change = { ...wanted, by, decide, lost: 0, state };
      const isOdd = Number.parseInt(wanted.id.slice(-1), 16) % 2 === 1;
      const join = crowds.has(wanted.id) ? joinCrowd : lanes[isOdd ? 1 : 0];
      return withinLimit(join(change), () => {
        state.expired = true;
      });
    },

    /** Makes an agent, and the history entry of its first version. */
    async create(companyId: string, content: AgentContent, by: Author): Promise<StoredAgent> {
      const values = [companyId, JSON.stringify(content), agentFields, ...authorColumns(by)];
      const [created] = await withinLimit(database.query<{ agent: AgentJson }>(createSql, values));
      if (!created) throw new Error('an insert returned no row');
      return toStoredAgent(created.agent);
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
      const rows = await withinLimit(
        database.query<{ agent: AgentJson | null; numberIsActive: boolean }>(findSql, [[id], [phoneNumberId]]),
      );
      const [found] = rows;
      return found?.agent ? { agent: toStoredAgent(found.agent), numberIsActive: found.numberIsActive } : undefined;
    },

    /** Agents of a company, the newest first. Without a page, all. */
    async list(
      companyId: string,
      filter: AgentFilter = {},
      page?: Page,
    ): Promise<{ agents: StoredAgent[]; total: number }> {
      const names = Object.keys(filter).filter(isFilterName);
      const values = [companyId, ...names.map((name) => filter[name])];
      const part = page ? [page.limit, itemsBefore(page)] : [null, 0];
      const [counted, rows] = await withinLimit(
        Promise.all([
          database.query<{ total: number }>(countSql(names), values),
          database.query<{ agent: AgentJson }>(listSql(names), [...values, ...part]),
        ]),
      );
      return { agents: rows.map(({ agent }) => toStoredAgent(agent)), total: counted[0]?.total ?? 0 };
    },

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

    /** Whether a number is an active one of the company. */
    async numberIsActive(companyId: string, phoneNumberId: string): Promise<boolean> {
      const [row] = await withinLimit(database.query<{ active: boolean }>(numberSql, [phoneNumberId, companyId]));
      return row?.active === true;
    },
  };
}
