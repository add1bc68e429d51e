import type { Caller } from '../auth/caller.ts';
import { confirmReader } from '../auth/lookup.repository.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { longRead } from '../database/long-transaction.ts';
import { totalRowSchema } from '../database/row.schema.ts';
import { jsonRowsOf, onlyRow, rowsOf } from '../database/rows.ts';
import { parseExact } from '../http/exact-numbers.ts';
import type { Page } from '../http/pages.ts';
import { type AgentListQuery, type FilterName, filterNames } from './request.schema.ts';
import { agentJsonSchema, portionRowSchema } from './row.schema.ts';
import { type StoredAgent, toStoredAgent } from './row.ts';
import { type GivenFilter, listStatement, pageStatement, portionStatement } from './statements.ts';

/** The filters of a list; an agent must match all that are given. */
type AgentFilter = Pick<AgentListQuery, FilterName>;

/** Agents that one statement reads: about 1 MiB of JSON, at least one agent. */
interface AgentPortion {
  readonly agents: StoredAgent[];
  /** The ids of the remaining agents of the page, in order. */
  readonly rest: readonly string[];
}

const jsonOf = rowsOf(agentJsonSchema);
const agentsOf = jsonRowsOf(agentJsonSchema);
const totalsOf = rowsOf(totalRowSchema);
const portionsOf = rowsOf(portionRowSchema);

export function agentLists(database: Database) {
  return {
    /** All agents of a company, the newest first; for the command line, with its long limits. */
    async list(companyId: string): Promise<StoredAgent[]> {
      const rows = await longRead(database, (query) => query(listStatement(companyId)));
      return agentsOf(rows).map(toStoredAgent);
    },

    /** The first portion of a page of a company's agents, the newest first, and the number of agents on all pages. */
    async page(companyId: string, filter: AgentFilter, page: Page): Promise<AgentPortion & { readonly total: number }> {
      const rows = await database.query(pageStatement(companyId, page, givenFilters(filter)));
      return { ...toPortion(rows), total: onlyRow(totalsOf(rows)).total };
    },

    /**
     * The first portion of the remaining agents of a page. Agents that were changed or deleted since are returned as they
     * are now; erased ones are left out.
     * @throws the ApiError of a key or grant that has ended; ApiError DATABASE_UNAVAILABLE
     */
    portion: (by: Caller, ids: readonly string[]): Promise<AgentPortion> => withinLimit(nextPortion(by, ids)),
  };

  async function nextPortion(by: Caller, ids: readonly string[]): Promise<AgentPortion> {
    await confirmReader(database.query, by);
    return toPortion(await database.query(portionStatement(by.companyId, ids)));
  }
}

const givenFilters = (filter: AgentFilter): GivenFilter[] =>
  filterNames.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [[name, value]];
  });

function toPortion(found: readonly unknown[]): AgentPortion {
  const rows = portionsOf(found);
  return {
    agents: jsonOf(rows.flatMap(({ agent }) => agent ?? []).map(parseExact)).map(toStoredAgent),
    rest: rows.at(-1)?.rest ?? [],
  };
}
