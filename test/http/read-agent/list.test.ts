import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import type { Client, Schemas } from '../../support/client.ts';
import { expectProblem } from '../../support/problem.ts';
import { answerOf, storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

type Query = Parameters<Client['list']>[0];

/** The pagination of a list that fits on one page. */
const list = async (key: string, query: Query = {}) => (await world.client(key).list(query)).data;

const ids = ({ data }: Schemas['AgentPage']) => data.map(({ id }) => id);

/** Agents with the given creation days; the latest comes first in a list. */
async function agentsOf(companyId: string, days: readonly number[]): Promise<string[]> {
  const made = await Promise.all(days.map(() => world.agent(companyId)));
  for (const [at, { id }] of made.entries()) {
    const createdAt = `2026-01-${String(days[at]).padStart(2, '0')}T00:00:00Z`;
    await world.sql.query('UPDATE agent SET created_at = $2 WHERE id = $1', [id, createdAt]);
  }
  return made.map(({ id }) => id);
}

test('GET /agents lists agents as GET /agents/:id answers each, newest first', async () => {
  const company = await world.company();
  const made = await agentsOf(company.id, [1, 3, 2]);
  const rows = await Promise.all(made.map((id) => storedAgent(world, id)));
  const [first, third, second] = rows.map(({ row }) => answerOf(row));
  expect(await list(company.key)).toEqual({
    data: [third, second, first],
    pagination: { total: 3, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false },
  });
});

test('agents with the same creation time are ordered by id, highest first, across pages', async () => {
  const company = await world.company();
  const made = await agentsOf(company.id, [5, 5, 5, 5, 5]);
  const pages = await Promise.all([1, 2, 3].map((page) => list(company.key, { limit: 2, page })));
  expect(pages.flatMap(ids)).toEqual(made.toSorted().reverse());
});

test('without a query the list is the first page of 20 agents; limit accepts 1 to 100', async () => {
  const company = await world.company();
  const made = await agentsOf(company.id, Array(101).fill(1));
  const order = made.toSorted().reverse();
  const of = (page: number, limit: number) => {
    const totalPages = Math.ceil(101 / limit);
    const more = { hasNextPage: page < totalPages, hasPreviousPage: page > 1 };
    return [order.slice((page - 1) * limit, page * limit), { total: 101, page, limit, totalPages, ...more }];
  };
  const asked = async (query: Query) => {
    const page = await list(company.key, query);
    return [ids(page), page.pagination];
  };
  expect(await asked({})).toEqual(of(1, 20));
  expect(await asked({ page: 6 })).toEqual(of(6, 20));
  expect(await asked({ limit: 1 })).toEqual(of(1, 1));
  expect(await asked({ limit: 100 })).toEqual(of(1, 100));
  expect(await asked({ limit: 100, page: 2 })).toEqual(of(2, 100));
});

test('a page states how many agents and pages there are, and whether a previous and a next one exist', async () => {
  const company = await world.company();
  await agentsOf(company.id, [1, 2, 3, 4, 5]);
  const at = async (page: number) => (await list(company.key, { limit: 2, page })).pagination;
  const all = { total: 5, limit: 2, totalPages: 3 };
  expect(await at(1)).toEqual({ ...all, page: 1, hasNextPage: true, hasPreviousPage: false });
  expect(await at(2)).toEqual({ ...all, page: 2, hasNextPage: true, hasPreviousPage: true });
  expect(await at(3)).toEqual({ ...all, page: 3, hasNextPage: false, hasPreviousPage: true });
  expect(await list(company.key, { limit: 2, page: 4 })).toEqual({
    data: [],
    pagination: { ...all, page: 4, hasNextPage: false, hasPreviousPage: true },
  });
});

test('a company without agents has one empty page', async () => {
  const { key } = await world.company();
  expect(await list(key)).toEqual({
    data: [],
    pagination: { total: 0, page: 1, limit: 20, totalPages: 0, hasNextPage: false, hasPreviousPage: false },
  });
});

test('deleted agents and those of other companies are neither listed nor counted', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const [kept = '', gone = ''] = await agentsOf(company.id, [1, 2]);
  await agentsOf(other.id, [1]);
  await world.deleteAgent(gone);
  expect(await list(company.key)).toMatchObject({ data: [{ id: kept }], pagination: { total: 1 } });
});

test('a new agent comes first and leaves the order of the others unchanged', async () => {
  const company = await world.company();
  const made = await agentsOf(company.id, [1, 2, 3]);
  const { id } = await world.agent(company.id);
  expect(ids(await list(company.key))).toEqual([id, ...made.toReversed()]);
});

const shapes = [
  { name: 'Sales 100% (EU)', type: 'ONLINE', focus: 'SCREENING', language: 'EN' },
  { name: 'ÄRZTE_sales', type: 'ONLINE', focus: 'OUTREACH', language: 'DE' },
  { name: 'Straßenbahn ΟΔΟΣ İzmir', type: 'UNDEFINED', focus: 'GENERIC', language: 'TR' },
  { name: 'Nursi\u0307ng', type: 'UNDEFINED', focus: 'SCREENING', language: 'DE' },
] as const;

const filters: readonly (readonly [Query, readonly number[]])[] = [
  [{ name: 'sales' }, [0, 1]],
  [{ name: 'SALES' }, [0, 1]],
  [{ name: 'ärzte' }, [1]],
  [{ name: 'STRASSENBAHN' }, [2]],
  [{ name: 'ẞ' }, [2]],
  [{ name: 'aSs' }, [2]],
  [{ name: 'οδος' }, [2]],
  [{ name: 'οδοσ ı' }, [2]],
  [{ name: 'IZMIR' }, [2]],
  [{ name: 'i\u0307zmir' }, [2]],
  [{ name: 'NURSİNG' }, [3]],
  [{ name: 'sS' }, [2]],
  [{ name: '100%' }, [0]],
  [{ name: '_' }, [1]],
  [{ name: '.*' }, []],
  [{ name: ' ' }, [0, 2]],
  [{ type: 'ONLINE' }, [0, 1]],
  [{ focus: 'SCREENING' }, [0, 3]],
  [{ language: 'DE' }, [1, 3]],
  [{ type: 'ONLINE', focus: 'SCREENING', language: 'EN', name: 's' }, [0]],
  [{ type: 'PHONE' }, []],
];

test('name (any part, in any case), type, focus and language filter the list, and all given filters must match', async () => {
  const company = await world.company();
  for (const shape of shapes) await world.agent(company.id, shape);
  for (const [query, found] of filters) {
    const { data, pagination } = await list(company.key, query);
    const names = found.map((at) => shapes[at]?.name);
    expect([query, data.map(({ name }) => name).toSorted()]).toEqual([query, names.toSorted()]);
    expect(pagination).toMatchObject({ total: names.length });
  }
  const plus = await world.call(company.key, 'GET /agents?name=+');
  expect(plus.body).toEqual(await list(company.key, { name: ' ' }));
});

const inQuery = (parameter: string, code: Fault['code'], detail: string, limit?: number): Fault => ({
  ...{ in: 'query', parameter, code, detail },
  ...(limit !== undefined && { limit }),
});
const wholeFrom = (parameter: string, limit: number) =>
  inQuery(parameter, 'wrong_type', `must be a whole number from 1 to ${limit}`);
const known = 'companyId, name, type, focus, language, page, limit';

const refused: readonly (readonly [string, readonly Fault[]])[] = [
  ['page=0', [inQuery('page', 'too_small', 'must be at least 1', 1)]],
  ['page=-1', [inQuery('page', 'too_small', 'must be at least 1', 1)]],
  ['page=1.5', [wholeFrom('page', 100_000)]],
  ['page=', [wholeFrom('page', 100_000)]],
  ['page=one', [wholeFrom('page', 100_000)]],
  ['page=1&page=2', [inQuery('page', 'too_many', 'must be given once', 1)]],
  ['page=5001', [inQuery('page', 'too_large', 'must be at most 5000', 5000)]],
  ['page=1001&limit=100', [inQuery('page', 'too_large', 'must be at most 1000', 1000)]],
  ['page=100001&limit=1', [inQuery('page', 'too_large', 'must be at most 100000', 100_000)]],
  ['limit=0', [inQuery('limit', 'too_small', 'must be at least 1', 1)]],
  ['limit=101', [inQuery('limit', 'too_large', 'must be at most 100', 100)]],
  ...['Infinity', '1e1', '0x10', '%205', '5.0', ''].map(
    (limit) => [`limit=${limit}`, [wholeFrom('limit', 100)]] as const,
  ),
  ['name=', [inQuery('name', 'too_short', 'must have at least 1 character', 1)]],
  [
    'name=a%00',
    [inQuery('name', 'bad_characters', 'must not hold U+0000 or an unpaired surrogate, in a string or in a key')],
  ],
  ['type=online', [inQuery('type', 'not_allowed', 'must be one of UNDEFINED, ONLINE, PHONE; did you mean ONLINE?')]],
  ['type=ON', [inQuery('type', 'not_allowed', 'must be one of UNDEFINED, ONLINE, PHONE')]],
  ['type=ONLINE&type=PHONE', [inQuery('type', 'too_many', 'must be given once', 1)]],
  ['sort=name', [inQuery('sort', 'unknown_member', `is not known; what can be set is ${known}`)]],
  [
    'limit=100&page=2000&size=5',
    [
      inQuery('size', 'unknown_member', `is not known; what can be set is ${known}`),
      inQuery('page', 'too_large', 'must be at most 1000', 1000),
    ],
  ],
];

test.for(refused)('the query %s is refused', async ([query, errors]) => {
  const { key } = await world.company();
  const answer = await world.call(key, `GET /agents?${query}`);
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: '/agents', errors });
});

test.for([{ page: 1000, limit: 100 }, { page: 5000 }, { page: 100_000, limit: 1 }])(
  'page × limit may reach 100,000: the query %j is accepted',
  async (query) => {
    const { key } = await world.company();
    expect((await list(key, query)).data).toEqual([]);
  },
);
