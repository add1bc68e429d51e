import { constant, type Statement, sql } from '../database/statement.ts';
import type { KeyDraft, KeyOwner } from './api-key.ts';

const shown = constant(`
  id, company_id AS "companyId", integration_id AS "integrationId", name, start, scopes,
  allowed_ips AS "allowedIps", per_minute AS "perMinute", per_hour AS "perHour",
  CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
       WHEN expires_at <= now() THEN 'expired'
       WHEN suspended_at IS NOT NULL THEN 'suspended'
       ELSE 'active' END AS state,
  created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"`);

/** A time as the command line prints the others. */
const expiresInUtc = constant(`to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/** What the audit trail says of a new key. */
const detailsOfNew = sql`jsonb_build_object('name', name, 'start', start, 'scopes', scopes, 'allowedIps', allowed_ips,
      'perMinute', per_minute, 'perHour', per_hour, 'expiresAt', ${expiresInUtc})`;

/** An entry of the audit trail for each key in the table `from`. */
const entryOf = (
  action: string,
  operator: string,
  from: 'after' | 'created' | 'ending',
  details = sql`'{}'::jsonb`,
) => sql`
    INSERT INTO audit_entry (action, operator, company_id, integration_id, key_id, details)
    SELECT ${constant(`'${action}'`)}, ${operator}, company_id, integration_id, id, ${details} FROM ${constant(from)}`;

/** Of a key that is stored: its first characters and its hash, and who makes it. */
interface Made {
  readonly start: string;
  readonly hash: string;
  readonly operator: string;
}

/** Stores a key. */
export const createStatement = (key: KeyDraft & Made) => sql`
  WITH created AS (
    INSERT INTO api_key (company_id, integration_id, name, start, hash, scopes, allowed_ips, expires_at, per_minute, per_hour)
    VALUES (${key.companyId}::uuid, ${key.integrationId}::uuid, ${key.name}, ${key.start}, ${key.hash}, ${key.scopes}::text[],
            ${key.allowedIps}::text[], ${key.expiresAt}::timestamptz, ${key.perMinute ?? null}::int,
            ${key.perHour ?? null}::int) RETURNING *
  ), entry AS (${entryOf('key.created', key.operator, 'created', detailsOfNew)})
  SELECT ${shown} FROM created`;

/** All keys of an owner, the oldest first. */
export const listStatement = ({ companyId, integrationId }: KeyOwner) => sql`
  SELECT ${shown} FROM api_key WHERE company_id = ${companyId}::uuid OR integration_id = ${integrationId}::uuid
   ORDER BY created_at, id`;

/** Stores a key with all that an active one may do, and ends that one after the overlap. Returns nothing if it is not active. */
export const rotateStatement = ({ id, overlapSeconds, start, hash, operator }: Rotation) => sql`
  WITH old AS (
    SELECT * FROM api_key
     WHERE id = ${id}::uuid AND revoked_at IS NULL AND suspended_at IS NULL AND coalesce(expires_at > now(), true) FOR UPDATE
  ), ending AS (
    UPDATE api_key k SET expires_at = least(k.expires_at, now() + ${overlapSeconds}::int * interval '1 second')
      FROM old WHERE k.id = old.id
    RETURNING k.*
  ), created AS (
    INSERT INTO api_key (company_id, integration_id, name, start, hash, scopes, allowed_ips, per_minute, per_hour, expires_at)
    SELECT company_id, integration_id, name, ${start}, ${hash}, scopes, allowed_ips, per_minute, per_hour, expires_at FROM old
    RETURNING *
  ), entry AS (
    ${entryOf('key.rotated', operator, 'ending', sql`jsonb_build_object('newKeyId', (SELECT id FROM created), 'expiresAt', ${expiresInUtc})`)}
  ), created_entry AS (
    ${entryOf('key.created', operator, 'created', detailsOfNew)}
  )
  SELECT ${shown} FROM created`;

interface Rotation extends Made {
  readonly id: string;
  readonly overlapSeconds: number;
}

/** A change of a key's state. */
export interface Transition {
  /** As the audit trail names it. */
  readonly action: string;
  readonly change: Statement;
  /** Completes `before.`: whether the key changes at all; else it stays, and the trail says nothing. */
  readonly when: Statement;
}

export const transitions = {
  suspend: { action: 'key.suspended', change: sql`suspended_at = now()`, when: sql`suspended_at IS NULL` },
  resume: { action: 'key.resumed', change: sql`suspended_at = NULL`, when: sql`suspended_at IS NOT NULL` },
  revoke: { action: 'key.revoked', change: sql`revoked_at = now()`, when: sql`revoked_at IS NULL` },
} satisfies Record<string, Transition>;

/** Changes the state of a key. Returns nothing if there is no such key. */
export const transitionStatement = ({ action, change, when }: Transition, id: string, operator: string) => sql`
  WITH before AS (
    SELECT * FROM api_key WHERE id = ${id}::uuid FOR UPDATE
  ), after AS (
    UPDATE api_key k SET ${change} FROM before WHERE k.id = before.id AND before.${when} RETURNING k.*
  ), entry AS (${entryOf(action, operator, 'after')})
  SELECT ${shown} FROM after
  UNION ALL SELECT ${shown} FROM before WHERE NOT before.${when}`;
