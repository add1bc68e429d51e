import type pg from 'pg';

export interface HistoryEntry {
  readonly version: number;
  readonly createdAt: Date;
  /** The agent's fields (agentFields) after this version, under their API names. */
  readonly snapshot: Record<string, unknown>;
  readonly changedFields: string[];
  readonly keyId: string | null;
  readonly requestId: string | null;
  readonly restoredFrom: number | null;
}

/** Reads the rows of agents as their owner. */
export const storedRows = (sql: pg.Pool) => ({
  /** An agent's whole row as text, so that no digit is lost. */
  async row(id: string): Promise<string> {
    const { rows } = await sql.query(`SELECT to_jsonb(a.*)::text AS row FROM agent a WHERE id = $1`, [id]);
    return rows[0]?.row;
  },

  /** The history of an agent, oldest first. */
  async history(id: string): Promise<HistoryEntry[]> {
    const { rows } = await sql.query(
      `SELECT version, created_at AS "createdAt", snapshot, changed_fields AS "changedFields", key_id AS "keyId",
                request_id AS "requestId", restored_from AS "restoredFrom"
           FROM agent_version WHERE agent_id = $1 ORDER BY version`,
      [id],
    );
    return rows;
  },
});
