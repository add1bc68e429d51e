import type { Database } from '../database/client.ts';
import type { KeyHashes } from './api-key.ts';

/** A key that was used. */
interface KeyUse extends KeyHashes {
  readonly id: string;
}

export type ApiKeyUse = ReturnType<typeof apiKeyUse>;

/** Milliseconds during which further uses of a key are not written. */
const interval = 60_000;

/** Keys that one statement writes at most. */
const size = 256;

/**
 * $1 keys, $2 their hashes, $3 those under the secret before. A key that somebody else has just moved, or is changing,
 * is left as it is: no process waits for another. Raw, since Prisma can neither skip locked rows nor give each row a value
 * of its own in one statement.
 */
const useSql = `
  WITH free AS (
    SELECT k.id FROM api_key k WHERE k.id = ANY($1::uuid[]) ORDER BY k.id FOR UPDATE SKIP LOCKED
  )
  UPDATE api_key k
     SET last_used_at = now(), hash = CASE WHEN k.hash = u.former THEN u.hash ELSE k.hash END
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, hash, former), free
   WHERE k.id = ANY($1::uuid[]) AND k.id = free.id AND k.id = u.id`;

/**
 * Notes when keys are used, and moves those that are stored under the secret before: at most one write a minute for a
 * key, behind the request, which neither waits for it nor fails with it.
 * @param onError told of what was not written; a later use makes up for it
 */
export function apiKeyUse(database: Database, onError: (error: unknown) => void) {
  /** When each key was noted last, in the order of these times. */
  const noted = new Map<string, number>();
  const waiting: KeyUse[] = [];
  let running: Promise<void> | undefined;

  function isDue({ id }: KeyUse): boolean {
    const now = performance.now();
    for (const [old, at] of noted) {
      if (now - at < interval) break;
      noted.delete(old);
    }
    if (noted.has(id)) return false;
    noted.set(id, now);
    return true;
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const uses = waiting.splice(0, size);
      const values = [uses.map(({ id }) => id), uses.map(({ hash }) => hash), uses.map(({ formerHash }) => formerHash)];
      await database.query(useSql, values).catch(onError);
    }
    running = undefined;
  }

  return {
    note(use: KeyUse): void {
      if (!isDue(use)) return;
      waiting.push(use);
      running ??= writeAll();
    },

    /** Resolves when everything noted so far is written. */
    async settled(): Promise<void> {
      await running;
    },
  };
}
