import { type Database, withinLimit } from '../database/client.ts';
import { rowsOf } from '../database/rows.ts';
import { run } from '../database/statement.ts';
import { parseExact } from '../http/exact-numbers.ts';
import type { Page } from '../http/pages.ts';
import { type AgentListQuery, type FilterName, filterNames } from './request.schema.ts';
import { agentJsonSchema, agentRowSchema, portionRowSchema, totalRowSchema } from './row.schema.ts';
import { type StoredAgent, toStoredAgent } from './row.ts';
import { countStatement, listStatement, type Narrowing, pageStatement, portionStatement } from './statements.ts';

/** What a list may be narrowed by; every one that is given must hold. */
type AgentFilter = Pick<AgentListQuery, FilterName>;

/** Agents that are read together: about 1 MiB of JSON, and at least one. */
interface Portion {
  readonly agents: StoredAgent[];
  /** The ids behind them, in order. */
  readonly rest: readonly string[];
}

const jsonOf = rowsOf(agentJsonSchema);
const agentsOf = rowsOf(agentRowSchema);
const totalsOf = rowsOf(totalRowSchema);
const portionsOf = rowsOf(portionRowSchema);

/** Reads the agents of a company. */
export function agentLists(database: Database) {
  return {
    /** All agents of a company, the newest first. */
    async list(companyId: string): Promise<StoredAgent[]> {
      const rows = await run(database.query, listStatement(companyId));
      return agentsIn(agentsOf(rows).map(({ agent }) => agent));
    },

    /** A page of a company's agents, the newest first: its first portion, and how many agents all pages have. */
    async page(companyId: string, filter: AgentFilter, page: Page): Promise<Portion & { readonly total: number }> {
      const given = narrowingsOf(filter);
      const [counted, rows] = await Promise.all([
        run(database.query, countStatement(companyId, given)),
        run(database.query, pageStatement(companyId, page, given)),
      ]);
      return { ...toPortion(rows), total: totalsOf(counted)[0]?.total ?? 0 };
    },

    /**
     * The first portion of agents that a page named. One that has been changed or deleted since is read as it is now; one
     * that has been erased is left out.
     */
    portion: async (ids: readonly string[]): Promise<Portion> =>
      toPortion(await withinLimit(run(database.query, portionStatement(ids)))),
  };
}

const narrowingsOf = (filter: AgentFilter): Narrowing[] =>
  filterNames.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [[name, value]];
  });

const agentsIn = (texts: readonly string[]): StoredAgent[] =>
  jsonOf(texts.map((text) => parseExact<unknown>(text))).map(toStoredAgent);

function toPortion(found: readonly unknown[]): Portion {
  const rows = portionsOf(found);
  return {
    agents: agentsIn(rows.flatMap(({ agent }) => agent ?? [])),
    rest: rows.at(-1)?.rest ?? [],
  };
}
