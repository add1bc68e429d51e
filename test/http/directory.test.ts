import { expect, test } from 'vitest';
import type { Answer } from '../support/http.ts';
import { expectProblem } from '../support/problem.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const onePage = (total: number) => ({
  ...{ total, page: 1, limit: 20, totalPages: total === 0 ? 0 : 1 },
  ...{ hasNextPage: false, hasPreviousPage: false },
});
/** Ids of a table's rows, the oldest first. */
async function oldestFirst(table: 'company' | 'company_phone_number', ids: readonly string[]): Promise<string[]> {
  const { rows } = await world.sql.query(`SELECT id FROM ${table} WHERE id = ANY($1) ORDER BY created_at, id`, [ids]);
  return rows.map(({ id }) => id);
}

const idsIn = ({ body }: Answer): unknown[] => Object(body).data.map(({ id }: { id: unknown }) => id);

test('GET /phone-numbers lists the active numbers of the company alone, with five members each, the oldest first', async () => {
  const [company, other] = await Promise.all([world.company(), world.company()]);
  const numbers = [await world.phoneNumber(company.id), await world.phoneNumber(company.id)];
  await world.companies.deactivatePhoneNumber(await world.phoneNumber(company.id));
  await world.phoneNumber(other.id);
  const { rows } = await world.sql.query(
    `SELECT id, number, company_id AS "companyId", status, created_at AS "createdAt"
       FROM company_phone_number WHERE id = ANY($1) ORDER BY created_at, id`,
    [numbers],
  );
  const answer = await world.call(company.key, 'GET /phone-numbers');
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({
    data: rows.map(({ createdAt, ...number }) => ({ ...number, createdAt: createdAt.toISOString() })),
    pagination: onePage(2),
  });
});

test('a listed number is what companyPhoneNumberId takes', async () => {
  const company = await world.company();
  await world.phoneNumber(company.id);
  const { id } = await world.agent(company.id);
  const [companyPhoneNumberId] = idsIn(await world.call(company.key, 'GET /phone-numbers'));
  const answer = await world.patch(company.key, id, { type: 'PHONE', companyPhoneNumberId });
  expect(answer).toMatchObject({ status: 200, headers: { 'agent-phone-number-id': companyPhoneNumberId } });
});

test('GET /companies lists id and name of what an ATS key can act for, without a companyId', async () => {
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

test('a company key sees its own company, an ATS that manages none sees none', async () => {
  const company = await world.company();
  const own = await world.call(company.key, 'GET /companies');
  expect(own.body).toEqual({ data: [{ id: company.id, name: 'Test company' }], pagination: onePage(1) });
  const ats = await world.ats();
  expect((await world.call(ats.key, 'GET /companies')).body).toEqual({ data: [], pagination: onePage(0) });
});

test('GET /phone-numbers and GET /companies are paged, and their pages meet', async () => {
  const companies = [await world.company(), await world.company(), await world.company()];
  const [company] = companies;
  const ats = await world.ats(...companies.map(({ id }) => id));
  const numbers: string[] = [];
  for (const _ of companies) numbers.push(await world.phoneNumber(String(company?.id)));
  for (const [path, all] of [
    [
      '/companies',
      await oldestFirst(
        'company',
        companies.map(({ id }) => id),
      ),
    ],
    ['/phone-numbers', await oldestFirst('company_phone_number', numbers)],
  ] as const) {
    const page = (at: number) => world.call(ats.key, `GET ${path}?companyId=${company?.id}&limit=2&page=${at}`);
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

test.for(['/companies', '/phone-numbers'])('%s takes no other parameter, and no page too deep', async (path) => {
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
});
