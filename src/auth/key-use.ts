import type { Database } from '../database/client.ts';
import { run } from '../database/statement.ts';
import type { SecretFingerprints } from './api-key.ts';
import { type KeyUse, useStatement } from './key-use.statements.ts';

export type ApiKeyUse = ReturnType<typeof apiKeyUse>;

/** Milliseconds during which further uses of a key are not written. */
const interval = 60_000;

/** Keys that one statement writes at most. */
const size = 256;

/**
 * Notes when keys are used, and moves those that are stored under the secret before: at most one write a minute for a
 * key, behind the request, which neither waits for it nor fails with it.
 * @param fingerprints of the secrets under which keys are found
 * @param onError told of what was not written; a later use makes up for it
 */
export function apiKeyUse(database: Database, fingerprints: SecretFingerprints, onError: (error: unknown) => void) {
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
      await run(database.query, useStatement(uses, fingerprints)).catch(onError);
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
