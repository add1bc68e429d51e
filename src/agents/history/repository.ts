import type pg from 'pg';
import type { Database } from '../../database/client.ts';
import { rowsOf } from '../../database/rows.ts';
import { withClient } from '../../database/session.ts';
import { parseExact } from '../../http/exact-numbers.ts';
import { isRecord } from '../../http/json.ts';
import { itemsBefore, type Page } from '../../http/pages.ts';
import { sizeRowSchema, snapshotSchema } from './row.schema.ts';
import { complete, isComplete } from './snapshot.ts';
import { sizeStatement, snapshotStatement } from './statements.ts';

/** Who changed an agent, and when. */
// biome-ignore format: a list
const entry = { version: true, createdAt: true, changedFields: true, keyId: true, requestId: true, restoredFrom: true } as const;

const sizesOf = rowsOf(sizeRowSchema);

export type AgentVersionRepository = ReturnType<typeof agentVersionRepository>;

const snapshotsOf = rowsOf(snapshotSchema);

/** Reads the history of agents of any company. Entries are immutable. */
export function agentVersionRepository({ typed, query }: Database) {
  async function read(agentId: string, version: number) {
    const place = { agentId, version };
    const find = async () => snapshotsOf(await query(snapshotStatement(place)))[0];
    const found = await find();
    if (!found) return undefined;
    const { createdAt } = found;
    const parsed = parseExact(found.snapshot);
    const snapshot = isRecord(parsed) ? parsed : {};
    const content = await complete(query, snapshot, place);
    // The versions before, which complete this one, can have been pruned meanwhile, but only together with it.
    if (!isComplete(snapshot) && !(await find())) return undefined;
    return { version, createdAt, content };
  }

  return {
    /**
     * Entries of an agent up to a version, the newest first. Those that are there have consecutive versions, so that a page
     * begins at a version instead of behind entries that would have to be read.
     */
    entries: (agentId: string, upTo: number, page: Page) =>
      typed(({ agentVersion }) =>
        agentVersion.findMany({
          where: { agentId, version: { lte: upTo - itemsBefore(page) } },
          select: entry,
          orderBy: { version: 'desc' },
          take: page.limit,
        }),
      ),

    /** The oldest version in the history: 1, or a later one if the operator has pruned the history. */
    async oldest(agentId: string): Promise<number | undefined> {
      const found = await typed(({ agentVersion }) =>
        agentVersion.findFirst({ where: { agentId }, select: { version: true }, orderBy: { version: 'asc' } }),
      );
      return found?.version;
    },

    /** The content of an agent at a version; undefined if there is no such version or it was pruned. */
    snapshot: read,
  };
}

/**
 * Bytes of the history of all agents and of kept answers on disk; undefined while one of the tables is locked. Asks on a
 * connection of its own, opened each time: it must neither wait for requests nor delay them, and after a failover it must lead
 * to the new primary. Throws what `withClient` throws.
 */
export function historyBytes(url: string): Promise<number | undefined> {
  const limits = { connectionTimeoutMillis: 2_000, statementLimit: 2_000 };
  const ask = async (client: pg.ClientBase) => {
    const [size] = sizesOf((await client.query(sizeStatement())).rows);
    return size?.bytes ?? undefined;
  };
  return withClient(url, ask, { ...limits, application_name: 'interview-agents-api metrics' });
}
