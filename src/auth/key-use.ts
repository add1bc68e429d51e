import type { Database } from '../database/client.ts';
import type { KeyHashes, SecretFingerprints } from './api-key.ts';
import { windows } from './counters.ts';
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
  /** Ids of the keys of which a use was recorded within the interval. */
  const noted = windows(interval);
  const waiting: KeyUse[] = [];
  let running: Promise<void> | undefined;

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
      const now = performance.now();
      if (noted.find(id, now)) return;
      noted.add(id, now);
      waiting.push({ id, hash, formerHash });
      running ??= writeAll();
    },

    /** Resolves when all recorded uses have been written. */
    async settled(): Promise<void> {
      await running;
    },
  };
}
