import type pg from 'pg';
import { hashKey, makeKey, scopes, startOf } from '../../src/auth/api-key.ts';

/** What `company create` and `key create` write, but for the fingerprint of the secret, in one statement: nearly every test begins with it. */
const statement = `
  WITH made AS (
    INSERT INTO company (name) VALUES ('Test company') RETURNING id, name
  ), key AS (
    INSERT INTO api_key (company_id, start, hash, scopes) SELECT id, $1, $2, $3 FROM made RETURNING *
  ), trail AS (
    INSERT INTO audit_entry (created_at, action, operator, company_id, key_id, details)
    SELECT now() - interval '1 millisecond', 'company.created', $4, id, NULL, jsonb_build_object('name', name) FROM made
     UNION ALL
    SELECT now(), 'key.created', $4, company_id, id, jsonb_build_object(
             'start', start, 'name', name, 'scopes', to_jsonb(scopes), 'allowedIps', to_jsonb(allowed_ips),
             'perMinute', per_minute, 'perHour', per_hour, 'expiresAt', expires_at) FROM key
  )
  SELECT company_id AS id, id AS "keyId" FROM key`;

/** A company with a key that has all scopes. */
export async function newCompany(sql: pg.Pool, secret: string, operator: string) {
  const key = makeKey();
  const { rows } = await sql.query<{ id: string; keyId: string }>({
    name: 'new company',
    text: statement,
    values: [startOf(key), hashKey(key, secret), scopes, operator],
  });
  const { id = '', keyId = '' } = rows[0] ?? {};
  return { id, key, keyId };
}
