import pLimit from 'p-limit';
import { beforeAll, expect, test } from 'vitest';
import { draft } from '../support/endpoints.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Companies, each with an agent, a company key and an ATS key. */
let owners: readonly Awaited<ReturnType<typeof openOwner>>[];

async function openOwner() {
  const { id: companyId, key } = await world.company();
  const [{ key: ats }, { id: agentId }] = await Promise.all([world.ats(companyId), world.agent(companyId)]);
  return { companyId, agentId, key, ats };
}

beforeAll(async () => {
  owners = await pLimit(5).map(Array.from({ length: 20 }), openOwner);
});

type Owner = (typeof owners)[number];

/** Sends a request for each pair of companies, 16 at a time, and checks that no row of agents and their history changes. */
async function forEachPair(send: (own: Owner, other: Owner, at: number) => Promise<void>): Promise<void> {
  const everyRow =
    'SELECT to_jsonb(a)::text AS row FROM agent a UNION ALL SELECT to_jsonb(v)::text FROM agent_version v ORDER BY 1';
  const before = (await world.sql.query(everyRow)).rows;
  const pairs = owners.flatMap((own) => owners.filter((other) => other !== own).map((other) => ({ own, other })));
  expect(pairs).toHaveLength(380);
  await pLimit(16).map(pairs, ({ own, other }, at) => send(own, other, at));
  expect((await world.sql.query(everyRow)).rows).toEqual(before);
}

const methods = ['PATCH', 'DELETE', 'GET'] as const;

test.each([
  ['company', ({ key }: Owner) => key],
  ['ATS', ({ ats }: Owner) => ats],
] as const)(
  'concurrent requests with %s keys of 20 companies for each other’s agents are all 403 and change no row',
  async (_, keyOf) => {
    await forEachPair(async (own, other, at) => {
      const method = methods[at % methods.length] ?? 'PATCH';
      const path = `/agents/${other.agentId}`;
      const body = method === 'PATCH' ? { name: 'Taken' } : undefined;
      const answer = await world.call(keyOf(own), `${method} ${path}?companyId=${own.companyId}`, { body });
      expectProblem(answer, { code: 'RESOURCE_ACCESS_DENIED', instance: path });
    });
  },
);

test('concurrent creations by the ATS keys of 20 companies for each other are all 403 and change no row', async () => {
  await forEachPair(async (own, other) => {
    const answer = await world.call(own.ats, `POST /agents?companyId=${other.companyId}`, { body: draft });
    expectProblem(answer, { code: 'COMPANY_ACCESS_DENIED', instance: '/agents' });
  });
});
