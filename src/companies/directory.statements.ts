import type { KeyOwner } from '../auth/api-key.ts';
import { type Statement, sql } from '../database/statement.ts';
import { itemsBefore, type Page } from '../http/pages.ts';

// Raw, since Prisma cannot read a page and its total in one statement (`pageRowsOf`).

const partOf = (page: Page) => sql`LIMIT ${page.limit}::int OFFSET ${itemsBefore(page)}::int`;

/** One page of the companies that a key can act for, the oldest first, and their number. */
export function companiesStatement({ companyId, integrationId }: KeyOwner, page: Page): Statement {
  const managed = sql`SELECT g.company_id FROM integration_company g WHERE g.integration_id = ${integrationId}::uuid`;
  const listed = sql`FROM company c WHERE ${companyId === null ? sql`c.id IN (${managed})` : sql`c.id = ${companyId}::uuid`}`;
  return sql`
  SELECT counted.total, c.id, c.name
    FROM (SELECT count(*)::int AS total ${listed}) counted
    LEFT JOIN (SELECT c.* ${listed} ORDER BY c.created_at, c.id ${partOf(page)}) c ON true
   ORDER BY c.created_at, c.id`;
}

/** One page of the active phone numbers of a company, the oldest first, and their number. */
export function phoneNumbersStatement(companyId: string, page: Page): Statement {
  const listed = sql`FROM company_phone_number n WHERE n.company_id = ${companyId}::uuid AND n.status = 'ACTIVE'`;
  return sql`
  SELECT counted.total, n.id, n.number, n.company_id AS "companyId", n.status, n.created_at AS "createdAt"
    FROM (SELECT count(*)::int AS total ${listed}) counted
    LEFT JOIN (SELECT n.* ${listed} ORDER BY n.created_at, n.id ${partOf(page)}) n ON true
   ORDER BY n.created_at, n.id`;
}
