import type { Database } from '../database/client.ts';
import type { KeyHashes, SecretFingerprints } from './api-key.ts';
import { type KeyUse, useStatement } from './key-use.statements.ts';

export type ApiKeyUse = ReturnType<typeof apiKeyUse>;

/** Milliseconds between two writes for the same key. */
const interval = 60_000;

/** Keys that one statement writes at most. */
const size = 256;

/**
 * Records when keys are used, and stores keys of the previous secret under the current one. At most one write a minute per
 * key, in the background: requests neither wait for it nor fail with it.
 * @param fingerprints of the secrets that keys are looked up under
 * @param onError called with the error of a failed write; it is not retried, a later use of the key is written
 */
export function apiKeyUse(database: Database, fingerprints: SecretFingerprints, onError: (error: unknown) => void) {
  /** The time of the last recorded use by key id, the oldest first. */
  const noted = new Map<string, number>();
  const waiting: KeyUse[] = [];
  let running: Promise<void> | undefined;

  function isDue(id: string): boolean {
    const now = performance.now();
    if (now - (noted.get(id) ?? Number.NEGATIVE_INFINITY) < interval) return false;
    for (const [old, at] of noted) {
      if (now - at < interval) break;
      noted.delete(old);
    }
    noted.set(id, now);
    return true;
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const uses = waiting.splice(0, size);
      await database.query(useStatement(uses, fingerprints)).catch(onError);
    }
    running = undefined;
  }

  return {
    /** @param id of the key, which has these hashes */
    note(id: string, { hash, formerHash }: KeyHashes): void {
      if (!isDue(id)) return;
      waiting.push({ id, hash, formerHash });
      running ??= writeAll();
    },

    /** Resolves when all recorded uses have been written. */
    async settled(): Promise<void> {
      await running;
    },
  };
}
