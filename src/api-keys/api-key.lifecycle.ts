import type { Database } from '../database/client.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { hashKey, makeKey, type Scope, startOf } from './api-key.ts';

/** A key to be made: of a company or of an integration, never of both. */
export interface KeyDraft {
  readonly companyId: string | null;
  readonly integrationId: string | null;
  readonly name: string | null;
  readonly scopes: readonly Scope[];
  /** RFC 3339; null never expires. */
  readonly expiresAt: string | null;
}

/** A key as operators see it: all but its secret. */
export interface ShownKey extends KeyDraft {
  readonly id: string;
  /** The key's first 8 characters. */
  readonly start: string;
  readonly state: 'active' | 'suspended' | 'expired' | 'revoked';
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

const shown = `
  id, company_id AS "companyId", integration_id AS "integrationId", name, start, scopes,
  CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
       WHEN expires_at <= now() THEN 'expired'
       WHEN suspended_at IS NOT NULL THEN 'suspended'
       ELSE 'active' END AS state,
  created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"`;

export type ApiKeyLifecycle = ReturnType<typeof apiKeyLifecycle>;

/** The life of a key. Each step holds from the key's next request on, on every replica; times are the database's. */
export function apiKeyLifecycle(database: Database, secret: string) {
  async function update(id: string, change: string): Promise<ShownKey> {
    const sql = `UPDATE api_key SET ${change} WHERE id = $1::uuid RETURNING ${shown}`;
    const [key] = await database.query<ShownKey>(sql, [id]);
    if (!key) throw new UnknownIdError('API key', id);
    return key;
  }

  return {
    /** Makes a key. What it returns is the only place where the key itself ever stands. */
    async create({ companyId, integrationId, name, scopes, expiresAt }: KeyDraft): Promise<ShownKey & { key: string }> {
      const key = makeKey();
      const sql = `
        INSERT INTO api_key (company_id, integration_id, name, start, hash, scopes, expires_at)
        VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6::text[], $7::timestamptz) RETURNING ${shown}`;
      const values = [companyId, integrationId, name, startOf(key), hashKey(key, secret), scopes, expiresAt];
      const [created] = await database.query<ShownKey>(sql, values);
      if (!created) throw new Error('an insert returned no row');
      return { ...created, key };
    },

    /** Stops a key until it is resumed. */
    suspend: (id: string) => update(id, 'suspended_at = coalesce(suspended_at, now())'),

    /** Lets a suspended key go on. A revoked or expired key stays so. */
    resume: (id: string) => update(id, 'suspended_at = NULL'),

    /** Ends a key for good. */
    revoke: (id: string) => update(id, 'revoked_at = coalesce(revoked_at, now())'),
  };
}
