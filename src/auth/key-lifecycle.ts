import type { Database } from '../database/client.ts';
import { UnknownIdError } from '../unknown-id.ts';
import { hashKey, makeKey, type Scope, startOf } from './api-key.ts';

/** Whose a key is: a company's or an integration's, never of both. */
export interface KeyOwner {
  readonly companyId: string | null;
  readonly integrationId: string | null;
}

/** A key to be made. */
export interface KeyDraft extends KeyOwner {
  readonly name: string | null;
  readonly scopes: readonly Scope[];
  /** Addresses and CIDR blocks that may use the key; empty means any. */
  readonly allowedIps: readonly string[];
  /** RFC 3339; null never expires. */
  readonly expiresAt: string | null;
  /** Its own rate limits, where it has some; 0 is none. */
  readonly perMinute?: number | null;
  readonly perHour?: number | null;
}

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

const shown = `
  id, company_id AS "companyId", integration_id AS "integrationId", name, start, scopes,
  allowed_ips AS "allowedIps", per_minute AS "perMinute", per_hour AS "perHour",
  CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
       WHEN expires_at <= now() THEN 'expired'
       WHEN suspended_at IS NOT NULL THEN 'suspended'
       ELSE 'active' END AS state,
  created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"`;

/** A time as the command line prints the others. */
const inUtc = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** An entry of the audit trail for each key in `from`. */
const entryOf = (action: string, operator: string, from: string, details = "'{}'::jsonb") => `
    INSERT INTO audit_entry (action, operator, company_id, integration_id, key_id, details)
    SELECT '${action}', ${operator}, company_id, integration_id, id, ${details} FROM ${from}`;

/** What the audit trail says of a new key. */
const madeOf = `jsonb_build_object('name', name, 'start', start, 'scopes', scopes, 'allowedIps', allowed_ips,
      'perMinute', per_minute, 'perHour', per_hour, 'expiresAt', ${inUtc('expires_at')})`;

const createSql = `
  WITH created AS (
    INSERT INTO api_key (company_id, integration_id, name, start, hash, scopes, allowed_ips, expires_at, per_minute, per_hour)
    VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6::text[], $7::text[], $8::timestamptz, $9::int, $10::int) RETURNING *
  ), entry AS (${entryOf('key.created', '$11', 'created', madeOf)})
  SELECT ${shown} FROM created`;

const rotateSql = `
  WITH old AS (
    SELECT * FROM api_key
     WHERE id = $1::uuid AND revoked_at IS NULL AND suspended_at IS NULL AND coalesce(expires_at > now(), true) FOR UPDATE
  ), ending AS (
    UPDATE api_key k SET expires_at = least(k.expires_at, now() + $2::int * interval '1 second') FROM old WHERE k.id = old.id
    RETURNING k.*
  ), created AS (
    INSERT INTO api_key (company_id, integration_id, name, start, hash, scopes, allowed_ips, per_minute, per_hour, expires_at)
    SELECT company_id, integration_id, name, $3, $4, scopes, allowed_ips, per_minute, per_hour, expires_at FROM old
    RETURNING *
  ), entry AS (
    ${entryOf('key.rotated', '$5', 'ending', `jsonb_build_object('newKeyId', (SELECT id FROM created), 'expiresAt', ${inUtc('expires_at')})`)}
  ), created_entry AS (
    ${entryOf('key.created', '$5', 'created', madeOf)}
  )
  SELECT ${shown} FROM created`;

export type ApiKeyLifecycle = ReturnType<typeof apiKeyLifecycle>;

/**
 * The life of a key. Each step holds from the key's next request on, on every replica, and is in the audit trail by the
 * same statement; times are the database's.
 * @param operator who does it, for the trail
 */
export function apiKeyLifecycle(database: Database, secret: string, operator: string) {
  /** @param when the key changes at all: else it stays, and the trail says nothing */
  async function update(id: string, action: string, change: string, when: string): Promise<ShownKey> {
    const sql = `
      WITH before AS (
        SELECT * FROM api_key WHERE id = $1::uuid FOR UPDATE
      ), after AS (
        UPDATE api_key k SET ${change} FROM before WHERE k.id = before.id AND before.${when} RETURNING k.*
      ), entry AS (${entryOf(action, '$2', 'after')})
      SELECT ${shown} FROM after
      UNION ALL SELECT ${shown} FROM before WHERE NOT before.${when}`;
    const [key] = await database.query<ShownKey>(sql, [id, operator]);
    if (!key) throw new UnknownIdError('API key', id);
    return key;
  }

  return {
    /** Makes a key. What it returns is the only place where the key itself ever stands. */
    async create(draft: KeyDraft): Promise<ShownKey & { key: string }> {
      const { companyId, integrationId, name, scopes, allowedIps, expiresAt, perMinute = null, perHour = null } = draft;
      const key = makeKey();
      const made = [companyId, integrationId, name, startOf(key), hashKey(key, secret), scopes, allowedIps, expiresAt];
      const [created] = await database.query<ShownKey>(createSql, [...made, perMinute, perHour, operator]);
      if (!created) throw new Error('an insert returned no row');
      return { ...created, key };
    },

    /** All keys of an owner, the oldest first. */
    list: ({ companyId, integrationId }: KeyOwner) =>
      database.query<ShownKey>(
        `SELECT ${shown} FROM api_key WHERE company_id = $1::uuid OR integration_id = $2::uuid ORDER BY created_at, id`,
        [companyId, integrationId],
      ),

    /**
     * Makes a new key with all that an active one may do; the old one ends after the overlap, at its own time at the
     * latest, which is the new one's too.
     */
    async rotate(id: string, overlapSeconds: number): Promise<ShownKey & { key: string }> {
      const key = makeKey();
      const [created] = await database.query<ShownKey>(rotateSql, [
        id,
        overlapSeconds,
        startOf(key),
        hashKey(key, secret),
        operator,
      ]);
      if (!created) throw new UnknownIdError('active API key', id);
      return { ...created, key };
    },

    /** Stops a key until it is resumed. */
    suspend: (id: string) => update(id, 'key.suspended', 'suspended_at = now()', 'suspended_at IS NULL'),

    /** Lets a suspended key go on. A revoked or expired key stays so. */
    resume: (id: string) => update(id, 'key.resumed', 'suspended_at = NULL', 'suspended_at IS NOT NULL'),

    /** Ends a key for good. */
    revoke: (id: string) => update(id, 'key.revoked', 'revoked_at = now()', 'revoked_at IS NULL'),
  };
}
