import { keptFor } from '../agents/write/kept.statements.ts';
import { constant, sql } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';

const recent = constant(`k.created_at > now() - ${keptFor}`);

/** What is kept of the answer to a request with an Idempotency-Key. */
export const keptStatement = (keyId: string, key: string) => sql`
  SELECT k.fingerprint, k.webhook_id AS "webhookId", k.answer FROM idempotency_key k
   WHERE k.api_key_id = ${keyId}::uuid AND k.key = ${key} AND ${recent}`;

/** Keeps an answer about an endpoint. A key that is taken already undoes the transaction. */
export const keepStatement = (
  keyId: string,
  { key, fingerprint }: Idempotency,
  { webhookId, answer }: { readonly webhookId: string; readonly answer: object },
) => sql`
  INSERT INTO idempotency_key (api_key_id, key, fingerprint, changed_fields, updated_at, webhook_id, answer)
  VALUES (${keyId}::uuid, ${key}, ${fingerprint}, '{}', now(), ${webhookId}::uuid, ${JSON.stringify(answer)}::json)`;
