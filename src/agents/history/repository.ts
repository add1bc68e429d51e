import { type Database, withinLimit } from '../../database/client.ts';
import type { JsonObject } from '../../http/json.ts';
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

/** As it was stored, perhaps by another release. */
type StoredSnapshot = Omit<Snapshot, 'content'> & { readonly content: JsonObject };

/** $1 agent, $2 version, $3 limit, $4 offset: its history up to that version, the newest first. */
const entriesSql = `
  SELECT version, created_at AS "createdAt", changed_fields AS "changedFields", key_id AS "keyId",
         request_id AS "requestId", restored_from AS "restoredFrom"
    FROM agent_version
   WHERE agent_id = $1::uuid AND version <= $2::int
   ORDER BY version DESC LIMIT $3::int OFFSET $4::int`;

/** $1 agent, $2 version: what the agent was. */
const snapshotSql = `
  SELECT version, created_at AS "createdAt", snapshot AS content FROM agent_version
   WHERE agent_id = $1::uuid AND version = $2::int`;

export type AgentVersionRepository = ReturnType<typeof agentVersionRepository>;

/** Reads the history of agents, whoever owns them. Entries never change once written. */
export function agentVersionRepository(database: Database) {
  return {
    /** Entries of an agent up to a version, the newest first. */
    entries: (agentId: string, upTo: number, page: Page): Promise<HistoryEntry[]> =>
      withinLimit(database.query<HistoryEntry>(entriesSql, [agentId, upTo, page.limit, itemsBefore(page)])),

    /** What an agent was at a version; undefined when there never was one. */
    async snapshot(agentId: string, version: number): Promise<Snapshot | undefined> {
      const [found] = await withinLimit(database.query<StoredSnapshot>(snapshotSql, [agentId, version]));
      if (!found) return undefined;
      return { ...found, content: await withinLimit(complete(database.query, found.content, { agentId, version })) };
    },
  };
}
