import { keptFor } from '../agents/write/kept.statements.ts';
import type { KeyOwner } from '../auth/api-key.ts';
import { constant, sql } from '../database/statement.ts';
import type { Idempotency } from '../http/idempotency-key.ts';

/** The result of a request: the id of the endpoint, and the answer without the signing secret. */
export interface Completed {
  readonly webhookId: string;
  /** The agent that the answer is about, if it is about one. */
  readonly agentId?: string | null;
  readonly answer: object;
  /** The kept answer to an earlier request with the same Idempotency-Key; nothing was changed. */
  readonly replayed?: true;
}

// Raw, since Prisma has no interval before the database's time, and joins no tables without a relation.

const recent = constant(`k.created_at > now() - ${keptFor}`);

/**
 * Selects the kept answer to a request with this Idempotency-Key; no row if there is none, or it is older than 24 hours.
 * `answer` is null if it is about an agent that was erased since, or whose company the owner no longer manages.
 */
export const keptStatement = (keyId: string, key: string, { companyId, integrationId }: KeyOwner) => sql`
  SELECT k.fingerprint, k.webhook_id AS "webhookId",
         CASE WHEN k.agent_id IS NULL OR EXISTS (
                SELECT FROM agent a WHERE a.id = k.agent_id AND (a.company_id = ${companyId}::uuid OR EXISTS (
                  SELECT FROM integration_company g
                   WHERE g.company_id = a.company_id AND g.integration_id = ${integrationId}::uuid)))
              THEN k.answer END AS answer
    FROM idempotency_key k
   WHERE k.api_key_id = ${keyId}::uuid AND k.key = ${key} AND ${recent}`;

/** Keeps an answer about an endpoint. Fails with a unique violation if an answer is kept for the key. */
export const keepStatement = (
  keyId: string,
  { key, fingerprint }: Idempotency,
  { webhookId, agentId = null, answer }: Completed,
) => sql`
  INSERT INTO idempotency_key (api_key_id, key, fingerprint, changed_fields, updated_at, webhook_id, agent_id, answer)
  VALUES (${keyId}::uuid, ${key}, ${fingerprint}, '{}', now(), ${webhookId}::uuid, ${agentId}::uuid,
          ${JSON.stringify(answer)}::json)`;
