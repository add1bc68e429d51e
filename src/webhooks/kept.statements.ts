import { keptFor } from '../agents/write/kept.statements.ts';
import { constant, sql } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';

const recent = constant(`k.created_at > now() - ${keptFor}`);

/** Selects the kept answer to a request with this Idempotency-Key; no row if there is none, or it is older than 24 hours. */
export const keptStatement = (keyId: string, key: string) => sql`
  SELECT k.fingerprint, k.webhook_id AS "webhookId", k.answer FROM idempotency_key k
   WHERE k.api_key_id = ${keyId}::uuid AND k.key = ${key} AND ${recent}`;

/** Keeps an answer about an endpoint. Fails with a unique violation if an answer is kept for the key. */
export const keepStatement = (
  keyId: string,
  { key, fingerprint }: Idempotency,
  { webhookId, answer }: { readonly webhookId: string; readonly answer: object },
) => sql`
  INSERT INTO idempotency_key (api_key_id, key, fingerprint, changed_fields, updated_at, webhook_id, answer)
  VALUES (${keyId}::uuid, ${key}, ${fingerprint}, '{}', now(), ${webhookId}::uuid, ${JSON.stringify(answer)}::json)`;
