import { randomUUID } from 'node:crypto';
import { type Answer, type Sent, send } from '../../support/http.ts';
import type { Values } from '../../support/placeholders.ts';
import type { World } from '../../support/world.ts';
import type { Fuzzed } from './fuzzed-request.ts';

/** All stored rows that one lane can reach; equal only if no row was written. */
type Rows = Readonly<Record<'agents' | 'versions' | 'answers' | 'entries', string>>;

/** Every write of a row changes its xmin. */
const rowsSql = `
  SELECT (SELECT md5(coalesce(string_agg(a.id::text || a.xmin, ',' ORDER BY a.id), ''))
            FROM agent a WHERE a.company_id = ANY ($1)) AS agents,
         (SELECT count(*) || '/' || coalesce(sum(v.xmin::text::bigint), 0) FROM agent_version v
            JOIN agent a ON a.id = v.agent_id WHERE a.company_id = ANY ($1)) AS versions,
         (SELECT count(*) || '/' || coalesce(sum(k.xmin::text::bigint), 0) FROM idempotency_key k
           WHERE k.api_key_id = ANY ($2)) AS answers,
         (SELECT count(*)::text FROM audit_entry e WHERE e.company_id = ANY ($1) AND e.agent_id IS NOT NULL) AS entries`;

export type Lane = Awaited<ReturnType<typeof openLane>>;

/** A company with keys, an agent and phone numbers, and another company, for one request at a time. */
export async function openLane(world: World) {
  const [own, other] = [await world.company(), await world.company()];
  const [ats, suspended] = [await world.ats(own.id), await world.newKey(own.id)];
  await world.keys.suspend(suspended.id);
  const inactive = await world.phoneNumber(own.id);
  await world.companies.deactivatePhoneNumber(inactive);
  const deleted = (await world.agent(own.id)).id;
  await world.deleteAgent(deleted);
  const keys = {
    company: own.key,
    ats: ats.key,
    reader: await world.keyWith(own.id, 'read:agents'),
    suspended: suspended.key,
    nobody: `sk_${'0'.repeat(43)}`,
  };
  const values: Record<string, string> = {
    COMPANY: own.id,
    OTHER_COMPANY: other.id,
    NUMBER: await world.phoneNumber(own.id),
    INACTIVE: inactive,
    OTHERS_NUMBER: await world.phoneNumber(other.id),
    OTHERS: (await world.agent(other.id)).id,
    DELETED: deleted,
    AGENT: (await world.agent(own.id)).id,
  };
  const readRows = async (): Promise<Rows> => {
    const { rows } = await world.sql.query(rowsSql, [
      [own.id, other.id],
      [own.keyId, ats.keyId],
    ]);
    return rows[0];
  };
  let rows = await readRows();

  return {
    keys,
    values: (): Values => values,
    send: (sent: Sent) => send(world.origin, sent),

    /** The rows that differ from the last time. */
    async written(): Promise<Readonly<Record<keyof Rows, boolean>>> {
      const before = rows;
      rows = await readRows();
      return {
        agents: rows.agents !== before.agents,
        versions: rows.versions !== before.versions,
        answers: rows.answers !== before.answers,
        entries: rows.entries !== before.entries,
      };
    },

    /** A new agent, if the last one was deleted. */
    async renew(): Promise<void> {
      values['AGENT'] = (await world.agent(own.id, { name: `Agent ${randomUUID()}` })).id;
      rows = await readRows();
    },
  };
}

/** The rows that a request must have written, given its answer. */
export function toBeWritten({ method, query, headers: sent }: Fuzzed, { status, headers }: Answer) {
  const isDone = status < 300 && method !== 'get' && headers['idempotent-replayed'] === undefined;
  const isWritten = isDone && !query.some(([name, value]) => name === 'dryRun' && value === 'true');
  const isChanged = isWritten && headers['changed-fields'] !== '';
  const isDeletion = method === 'delete';
  return {
    agents: isChanged,
    versions: isChanged && !isDeletion,
    answers: isWritten && !isDeletion && 'Idempotency-Key' in sent,
    entries: isChanged && isDeletion,
  };
}
