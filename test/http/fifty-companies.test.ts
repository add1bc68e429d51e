import { expect, test } from 'vitest';
import { draft } from '../support/endpoints.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

interface Owner {
  readonly companyId: string;
  readonly agentId: string;
  readonly companyKey: string;
  readonly atsKey: string;
}

async function makeOwner(): Promise<Owner> {
  const { id: companyId, key: companyKey } = await world.company();
  const [{ key: atsKey }, { id: agentId }] = await Promise.all([world.ats(companyId), world.agent(companyId)]);
  return { companyId, agentId, companyKey, atsKey };
}

/** Every row of agents and their history. */
async function stored() {
  const tables = ['agent', 'agent_version'];
  const found = tables.map((table) => world.sql.query(`SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`));
  return (await Promise.all(found)).map(({ rows }) => rows);
}

/** Runs tasks side by side, a few at a time. */
async function all(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...tasks];
  const worker = async (): Promise<void> => {
    for (let task = left.shift(); task; task = left.shift()) await task();
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

const owners: Owner[] = [];
for (let count = 0; count < 50; count += 5) {
  owners.push(...(await Promise.all(Array.from({ length: 5 }, makeOwner))));
}
const pairs = owners.flatMap((own) => owners.filter((other) => other !== own).map((other) => [own, other] as const));
const requests = ['PATCH', 'DELETE', 'GET'] as const;

test.for([
  ['company key', ({ companyKey }: Owner) => companyKey],
  ['ATS key', ({ atsKey }: Owner) => atsKey],
] as const)(
  'of 50 companies, no %s reaches an agent of another: 2,450 pairs are 403 and no row changes',
  { timeout: 180_000 },
  async ([, keyOf]) => {
    const before = await stored();
    expect(pairs).toHaveLength(2_450);
    await all(
      pairs.map(([own, other], at) => async () => {
        const method = requests[at % requests.length] ?? 'PATCH';
        const path = `/agents/${other.agentId}`;
        const body = method === 'PATCH' ? { name: 'Taken' } : undefined;
        const answer = await world.call(keyOf(own), `${method} ${path}?companyId=${own.companyId}`, { body });
        expectProblem(answer, { code: 'RESOURCE_ACCESS_DENIED', instance: path });
      }),
    );
    expect(await stored()).toEqual(before);
  },
);

test('of 50 companies, each ATS key is refused every other company, and each key lists its own agents alone', async () => {
  const before = await stored();
  await all(
    pairs.map(([own, other]) => async () => {
      const line = `POST /agents?companyId=${other.companyId}`;
      expectProblem(await world.call(own.atsKey, line, { body: draft }), {
        code: 'COMPANY_ACCESS_DENIED',
        instance: '/agents',
      });
    }),
  );
  expect(await stored()).toEqual(before);
  for (const { companyId, agentId, companyKey, atsKey } of owners) {
    for (const key of [companyKey, atsKey]) {
      const { status, data } = await world.client(key).list({ companyId });
      expect({ status, ids: data.data.map(({ id }) => id) }).toEqual({ status: 200, ids: [agentId] });
    }
  }
}, 180_000);
