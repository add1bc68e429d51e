import { Agent } from 'node:http';
import { expect, test } from 'vitest';
import type { ProblemCode } from '../../src/http/problems.ts';
import { forAnyCompany, forCompany, onAgent, pathOf } from '../support/endpoints.ts';
import { newSubject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const set = (change: string) => (id: string) => world.sql.query(`UPDATE api_key SET ${change} WHERE id = $1`, [id]);

/** What is wrong with a key, and the code of the answer. Keys with several defects follow the order of the checks. */
const states: Readonly<Record<string, { make: (id: string) => Promise<unknown>; code: ProblemCode }>> = {
  revoked: { make: set('revoked_at = now()'), code: 'INVALID_API_KEY' },
  expired: { make: set('expires_at = now()'), code: 'INVALID_API_KEY' },
  'revoked, suspended, outside the allow-list and without scopes': {
    make: set(`revoked_at = now(), suspended_at = now(), allowed_ips = '{192.0.2.1}', scopes = '{}'`),
    code: 'INVALID_API_KEY',
  },
  suspended: { make: set('suspended_at = now()'), code: 'API_KEY_SUSPENDED' },
  'suspended, outside the allow-list and without scopes': {
    make: set(`suspended_at = now(), allowed_ips = '{192.0.2.1}', scopes = '{}'`),
    code: 'API_KEY_SUSPENDED',
  },
  'outside the allow-list': { make: set(`allowed_ips = '{192.0.2.1}'`), code: 'IP_NOT_ALLOWED' },
  'outside the allow-list and without scopes': {
    make: set(`allowed_ips = '{192.0.2.1}', scopes = '{}'`),
    code: 'IP_NOT_ALLOWED',
  },
  'without scopes': { make: set(`scopes = '{}'`), code: 'INSUFFICIENT_PERMISSIONS' },
};

/** Every table that a refused request could have written. */
async function stored() {
  const tables = ['agent', 'agent_version', 'audit_entry'];
  const found = tables.map((table) => world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`));
  return (await Promise.all(found)).map(({ rows }) => rows);
}

test.for([...onAgent, ...forCompany, ...forAnyCompany])(
  '$line answers an active key, and refuses a key in any other state without writing anything',
  async ({ line, scope, status, body }) => {
    const agent = await newSubject(world);
    await world.phoneNumber(agent.companyId);
    const named = line.replace(':id', agent.id);
    for (const { make, code } of Object.values(states)) {
      if (scope === 'any' && code === 'INSUFFICIENT_PERMISSIONS') continue;
      const { key, id } = await world.newKey(agent.companyId);
      await make(id);
      const before = await stored();
      const answer = await world.call(key, named, { body });
      const detail = `This API key lacks the scope ${scope}.`;
      const instance = pathOf(named);
      expectProblem(answer, { code, instance, ...(code === 'INSUFFICIENT_PERMISSIONS' && { detail }) });
      expect(answer.headers['www-authenticate']).toBe(challenge(code, scope));
      expect(await stored()).toEqual(before);
    }
    expect((await world.call(agent.key, named, { body })).status).toBe(status);
  },
);

/** The WWW-Authenticate header that RFC 6750 requires. */
function challenge(code: ProblemCode, scope: string): string | undefined {
  if (code === 'INSUFFICIENT_PERMISSIONS') return `Bearer error="insufficient_scope", scope="${scope}"`;
  return code === 'IP_NOT_ALLOWED' ? undefined : 'Bearer';
}

test('each request on a connection is authenticated by the key that it sends, in the current state of that key', async () => {
  const [one, other] = [await world.company(), await world.company()];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (authorization: string | readonly string[]) => {
    const { status, body } = await world.send({ method: 'GET', path: '/api-key', headers: { authorization }, agent });
    return { status, companyId: Object(body).companyId };
  };
  const accepted = (companyId: string) => ({ status: 200, companyId });
  const refused = { status: 401, companyId: undefined };
  try {
    expect(await ask(`Bearer ${one.key}`)).toEqual(accepted(one.id));
    expect(await ask(`Bearer ${one.key}`)).toEqual(accepted(one.id));
    expect(await ask(`Bearer ${other.key}`)).toEqual(accepted(other.id));
    expect(await ask(`bearer  ${one.key}`)).toEqual(accepted(one.id));
    expect(await ask(`Bearer ${one.key}x`)).toEqual(refused);
    expect(await ask(`Bearer ${one.key}`)).toEqual(accepted(one.id));
    expect(await ask([`Bearer ${one.key}`, `Bearer ${one.key}`])).toEqual(refused);
    expect(await ask([])).toEqual(refused);
    await world.sql.query('UPDATE api_key SET revoked_at = now() WHERE company_id = $1', [one.id]);
    expect(await ask(`Bearer ${one.key}`)).toEqual(refused);
    expect(await ask(`Bearer ${other.key}`)).toEqual(accepted(other.id));
  } finally {
    agent.destroy();
  }
});
