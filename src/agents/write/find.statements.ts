import type { PreparedStatement } from '../../database/statement.ts';
import { agentJson } from '../row.statements.ts';
import { keptFor, keptJson } from './kept.statements.ts';

/**
 * LATERAL and LIMIT make it one index scan for each row. A join whose plan was made while the tables were small would read
 * the whole of them until PostgreSQL analyzes: 16 of 40,000 agents took 38,000 blocks instead of 110.
 */
const findSql = `
  SELECT json_build_object('agent', CASE WHEN a.id IS NOT NULL THEN ${agentJson('a')} END,
                           'numberIsActive', (SELECT p.status = 'ACTIVE' FROM company_phone_number p
                                               WHERE p.id = q.number AND p.company_id = a.company_id) IS TRUE,
                           'kept', CASE WHEN k.key IS NOT NULL THEN ${keptJson('k')} END)::text AS json
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) WITH ORDINALITY AS q(id, number, api_key, key, place)
    LEFT JOIN LATERAL (SELECT * FROM agent a WHERE a.id = q.id LIMIT 1) a ON a.deleted_at IS NULL
    LEFT JOIN LATERAL (SELECT * FROM idempotency_key k WHERE k.api_key_id = q.api_key AND k.key = q.key
                          AND k.created_at > now() - ${keptFor} LIMIT 1) k ON true
   ORDER BY q.place`;

/** What to find: an agent, the state of a phone number, and with `idempotency` the answer that is kept for the caller's key. */
interface Wanted {
  readonly id: string;
  readonly phoneNumberId: string | null;
  readonly by?: { readonly keyId: string };
  readonly idempotency?: { readonly key: string } | undefined;
}

/**
 * Selects one row for each agent, in this order (`foundRowSchema`). `agent` is null if there is none, `kept` if no answer is
 * kept.
 */
export const findStatement = (wanted: readonly Wanted[]): PreparedStatement => ({
  text: findSql,
  values: [
    wanted.map(({ id }) => id),
    wanted.map(({ phoneNumberId }) => phoneNumberId),
    wanted.map(({ by, idempotency }) => (idempotency && by ? by.keyId : null)),
    wanted.map(({ idempotency }) => idempotency?.key ?? null),
  ],
});
