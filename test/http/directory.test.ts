import { expect, test } from 'vitest';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const onePage = (total: number) => ({
  ...{ total, page: 1, limit: 20, totalPages: total === 0 ? 0 : 1 },
  ...{ hasNextPage: false, hasPreviousPage: false },
});
/** The ids of a table's rows, oldest first. */
async function oldestFirst(table: 'company' | 'company_phone_number', ids: readonly string[]): Promise<string[]> {
  const { rows } = await world.sql.query(`SELECT id FROM ${table} WHERE id = ANY($1) ORDER BY created_at, id`, [ids]);
  return rows.map(({ id }) => id);
}

const idsIn = ({ data }: { readonly data: { readonly data: { id: string }[] } }) => data.data.map(({ id }) => id);

test('GET /phone-numbers lists the active numbers of the company, and no others, with five members each, oldest first', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const numbers = [await world.phoneNumber(company.id), await world.phoneNumber(company.id)];
  await world.companies.deactivatePhoneNumber(await world.phoneNumber(company.id));
  await world.phoneNumber(other.id);
  const { rows } = await world.sql.query(
    `SELECT id, number, company_id AS "companyId", status, created_at AS "createdAt"
       FROM company_phone_number WHERE id = ANY($1) ORDER BY created_at, id`,
    [numbers],
  );
  const answer = await world.client(company.key).phoneNumbers();
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({
    data: rows.map(({ createdAt, ...number }) => ({ ...number, createdAt: createdAt.toISOString() })),
    pagination: onePage(2),
  });
});

test('companyPhoneNumberId accepts the id of a listed number', async () => {
  const company = await world.company();
  await world.phoneNumber(company.id);
  const { id } = await world.agent(company.id);
  const api = world.client(company.key);
  const [companyPhoneNumberId = null] = idsIn(await api.phoneNumbers());
  const answer = await api.patch(id, { type: 'PHONE', companyPhoneNumberId });
  expect(answer).toMatchObject({ status: 200, headers: { 'agent-phone-number-id': companyPhoneNumberId } });
});

test('GET /companies lists id and name of the companies that an ATS key can act for, without a companyId', async () => {
  const [one, two, revoked] = [await world.company(), await world.company(), await world.company()];
  await world.company();
  const ats = await world.ats(two.id, one.id, revoked.id);
  await world.companies.revoke(ats.id, revoked.id);
  const managed = await oldestFirst('company', [one.id, two.id]);
  const data = managed.map((id) => ({ id, name: 'Test company' }));
  for (const query of ['', `?companyId=${revoked.id}`, '?companyId=x&companyId=']) {
    const answer = await world.call(ats.key, `GET /companies${query}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ data, pagination: onePage(2) });
  }
});

test('GET /companies lists its own company for a company key, and nothing for an ATS without companies', async () => {
  const company = await world.company();
  const own = await world.client(company.key).companies();
  expect(own.body).toEqual({ data: [{ id: company.id, name: 'Test company' }], pagination: onePage(1) });
  const ats = await world.ats();
  expect((await world.client(ats.key).companies()).body).toEqual({ data: [], pagination: onePage(0) });
});

test('the pages of GET /phone-numbers and of GET /companies hold every row once', async () => {
  const ids = [(await world.company()).id, (await world.company()).id, (await world.company()).id];
  const [companyId = ''] = ids;
  const api = world.client((await world.ats(...ids)).key);
  const numbers: string[] = [];
  for (const _ of ids) numbers.push(await world.phoneNumber(companyId));
  const lists = [
    ['companies', await oldestFirst('company', ids)],
    ['phoneNumbers', await oldestFirst('company_phone_number', numbers)],
  ] as const;
  for (const [list, all] of lists) {
    const page = (at: number) => api[list]({ companyId, limit: 2, page: at });
    const [first, second] = [await page(1), await page(2)];
    expect([...idsIn(first), ...idsIn(second)]).toEqual(all);
    const pagination = { total: 3, limit: 2, totalPages: 2 };
    expect(first).toMatchObject({
      body: { pagination: { ...pagination, page: 1, hasNextPage: true, hasPreviousPage: false } },
    });
    expect(second).toMatchObject({
      body: { pagination: { ...pagination, page: 2, hasNextPage: false, hasPreviousPage: true } },
    });
  }
});

test.for(['/companies', '/phone-numbers'])(
  '%s refuses unknown parameters and a page × limit over 100,000',
  async (path) => {
    const { key } = await world.company();
    const answer = await world.call(key, `GET ${path}?page=1001&limit=100&status=ALL`);
    const errors = [
      {
        in: 'query',
        parameter: 'status',
        code: 'unknown_member',
        detail: 'is not known; what can be set is companyId, page, limit',
      },
      { in: 'query', parameter: 'page', code: 'too_large', detail: 'must be at most 1000', limit: 1000 },
    ] as const;
    expectProblem(answer, { code: 'VALIDATION_FAILED', instance: path, errors });
  },
);
