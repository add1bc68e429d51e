import { type Database, withinLimit } from '../../database/client.ts';
import { itemsBefore, type Page } from '../../http/pages.ts';
import type { AgentContent } from '../fields.ts';
import { complete } from './snapshot.ts';

/** Who changed an agent, and when. */
export interface HistoryEntry {
  readonly version: number;
  readonly createdAt: Date;
  readonly changedFields: string[];
  readonly keyId: string | null;
  readonly requestId: string | null;
  readonly restoredFrom: number | null;
}

/** What an agent was at a version. */
export interface Snapshot {
  readonly version: number;
  readonly createdAt: Date;
  readonly content: AgentContent;
}

const entry = {
  version: true,
  createdAt: true,
  changedFields: true,
  keyId: true,
  requestId: true,
  restoredFrom: true,
} as const;

export type AgentVersionRepository = ReturnType<typeof agentVersionRepository>;

/** Reads the history of agents, whoever owns them. Entries never change once written. */
export function agentVersionRepository(database: Database) {
  async function read(agentId: string, version: number): Promise<Snapshot | undefined> {
    const found = await database.typed(({ agentVersion }) =>
      agentVersion.findUnique({
        select: { createdAt: true, snapshot: true },
        where: { agentId_version: { agentId, version } },
      }),
    );
    if (!found) return undefined;
    const { createdAt, snapshot } = found;
    if (typeof snapshot !== 'object' || snapshot === null || Array.isArray(snapshot)) {
      throw new Error('a version holds no object');
    }
    return { version, createdAt, content: await complete(database.query, snapshot, { agentId, version }) };
  }

  return {
    /** Entries of an agent up to a version, the newest first. */
    entries: (agentId: string, upTo: number, page: Page): Promise<HistoryEntry[]> =>
      withinLimit(
        database.typed(({ agentVersion }) =>
          agentVersion.findMany({
            select: entry,
            where: { agentId, version: { lte: upTo } },
            orderBy: { version: 'desc' },
            take: page.limit,
            skip: itemsBefore(page),
          }),
        ),
      ),

    /** What an agent was at a version; undefined when there never was one. */
    async snapshot(agentId: string, version: number): Promise<Snapshot | undefined> {
      return await withinLimit(read(agentId, version));
    },
  };
}
