import type { Database } from '../database/client.ts';
import { run } from '../database/statement.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { hashKey, type KeyDraft, type KeyOwner, makeKey, startOf } from './api-key.ts';
import {
  createStatement,
  listStatement,
  rotateStatement,
  type Transition,
  transitionStatement,
  transitions,
} from './key-lifecycle.statements.ts';

/** A key as operators see it: all but its secret. */
export interface ShownKey extends KeyDraft {
  readonly id: string;
  /** The key's first 8 characters. */
  readonly start: string;
  readonly perMinute: number | null;
  readonly perHour: number | null;
  readonly state: 'active' | 'suspended' | 'expired' | 'revoked';
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

export type ApiKeyLifecycle = ReturnType<typeof apiKeyLifecycle>;

/**
 * The life of a key. Each step holds from the key's next request on, on every replica, and is in the audit trail by the
 * same statement; times are the database's.
 * @param operator who does it, for the trail
 */
export function apiKeyLifecycle(database: Database, secret: string, operator: string) {
  async function change(id: string, transition: Transition): Promise<ShownKey> {
    const [key] = await run<ShownKey>(database.query, transitionStatement(transition, id, operator));
    if (!key) throw new UnknownIdError('API key', id);
    return key;
  }

  return {
    /** Makes a key. What it returns is the only place where the key itself ever stands. */
    async create(draft: KeyDraft): Promise<ShownKey & { key: string }> {
      const key = makeKey();
      const made = { ...draft, start: startOf(key), hash: hashKey(key, secret), operator };
      const [created] = await run<ShownKey>(database.query, createStatement(made));
      if (!created) throw new Error('an insert returned no row');
      return { ...created, key };
    },

    /** All keys of an owner, the oldest first. */
    list: (owner: KeyOwner) => run<ShownKey>(database.query, listStatement(owner)),

    /**
     * Makes a new key with all that an active one may do; the old one ends after the overlap, at its own time at the
     * latest, which is the new one's too.
     */
    async rotate(id: string, overlapSeconds: number): Promise<ShownKey & { key: string }> {
      const key = makeKey();
      const next = { id, overlapSeconds, start: startOf(key), hash: hashKey(key, secret), operator };
      const [created] = await run<ShownKey>(database.query, rotateStatement(next));
      if (!created) throw new UnknownIdError('active API key', id);
      return { ...created, key };
    },

    /** Stops a key until it is resumed. */
    suspend: (id: string) => change(id, transitions.suspend),

    /** Lets a suspended key go on. A revoked or expired key stays so. */
    resume: (id: string) => change(id, transitions.resume),

    /** Ends a key for good. */
    revoke: (id: string) => change(id, transitions.revoke),
  };
}
