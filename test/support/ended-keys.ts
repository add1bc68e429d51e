import type { ProblemCode } from '../../src/http/problems.ts';
import { pathOf } from './endpoints.ts';
import type { Answer } from './http.ts';
import { newSubject } from './patch-agent.ts';
import { expectProblem } from './problem.ts';
import type { World } from './world.ts';

const set = (change: string) => (world: World, keyId: string) =>
  world.sql.query(`UPDATE api_key SET ${change} WHERE id = $1`, [keyId]);

interface Ending {
  readonly end: (world: World, keyId: string) => Promise<unknown>;
  readonly code: ProblemCode;
}

/** Ways to end a key or its access, each with the code of the answer. */
export const ends: Readonly<Record<string, Ending>> = {
  revoked: { end: set('revoked_at = now()'), code: 'INVALID_API_KEY' },
  expired: { end: set('expires_at = now()'), code: 'INVALID_API_KEY' },
  suspended: { end: set('suspended_at = now()'), code: 'API_KEY_SUSPENDED' },
  'excluded by its allow-list': { end: set(`allowed_ips = '{192.0.2.1}'`), code: 'IP_NOT_ALLOWED' },
  'without its scope': { end: set(`scopes = '{read:agents}'`), code: 'INSUFFICIENT_PERMISSIONS' },
  'without its grant': {
    end: (world, keyId) =>
      world.sql.query(
        'DELETE FROM integration_company g USING api_key k WHERE k.id = $1 AND g.integration_id = k.integration_id',
        [keyId],
      ),
    code: 'COMPANY_ACCESS_DENIED',
  },
};

/** An agent, and a key of an integration for it. */
export async function newAtsSubject(world: World) {
  const { id, companyId } = await newSubject(world);
  const { key, keyId } = await world.ats(companyId);
  return { id, companyId, key, keyId, query: `?companyId=${companyId}` };
}

/** All rows of a company's agents. */
export async function storedOf(world: World, companyId: string) {
  const agents = `SELECT to_jsonb(a)::text AS row FROM agent a WHERE company_id = $1 ORDER BY id`;
  const entries = `SELECT to_jsonb(v)::text AS row FROM agent_version v JOIN agent a ON a.id = v.agent_id
                    WHERE a.company_id = $1 ORDER BY v.agent_id, v.version`;
  const kept =
    'SELECT to_jsonb(i)::text AS row FROM idempotency_key i JOIN agent a ON a.id = i.agent_id WHERE company_id = $1';
  const deletions = `SELECT to_jsonb(e)::text AS row FROM audit_entry e WHERE company_id = $1 AND agent_id IS NOT NULL`;
  const found = await Promise.all([agents, entries, kept, deletions].map((sql) => world.sql.query(sql, [companyId])));
  return found.map(({ rows }) => rows);
}

/** Compares the answer to a request whose key has ended. */
export function expectEnded(answer: Answer, code: ProblemCode, line: string): void {
  const scope = line.startsWith('DELETE') ? 'delete:agents' : 'write:agents';
  const detail = `This API key lacks the scope ${scope}.`;
  expectProblem(answer, { code, instance: pathOf(line), ...(code === 'INSUFFICIENT_PERMISSIONS' && { detail }) });
}
