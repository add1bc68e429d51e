import type { KeyOwner } from '../auth/api-key.ts';
import { type Database, withinLimit } from '../database/client.ts';
import { itemsBefore, type Page } from '../http/pages.ts';

interface Company {
  readonly id: string;
  readonly name: string;
}

interface PhoneNumber {
  readonly id: string;
  /** E.164, with its plus sign. */
  readonly number: string;
  readonly companyId: string;
  readonly status: string;
  readonly createdAt: Date;
}

/** One page of a list, and how many items all of it has. */
interface Listed<Item> {
  readonly items: Item[];
  readonly total: number;
}

export type DirectoryRepository = ReturnType<typeof directoryRepository>;

/** $1 company or null, $2 integration or null: the companies that a key of it acts for. */
const companies = `
  FROM company c
 WHERE c.id = $1::uuid
    OR c.id IN (SELECT g.company_id FROM integration_company g WHERE g.integration_id = $2::uuid)`;

/** $1 company: its active numbers. */
const activeNumbers = `FROM company_phone_number c WHERE c.company_id = $1::uuid AND c.status = 'ACTIVE'`;

/** What an integrator looks up before it makes or changes agents: companies and phone numbers. */
export function directoryRepository({ query }: Database) {
  /** The oldest first. */
  async function list<Item>(members: string, from: string, of: readonly unknown[], page: Page): Promise<Listed<Item>> {
    const [limit, offset] = [`$${of.length + 1}::int`, `$${of.length + 2}::int`];
    const part = `SELECT ${members} ${from} ORDER BY c.created_at, c.id LIMIT ${limit} OFFSET ${offset}`;
    const [counted, items] = await withinLimit(
      Promise.all([
        query<{ total: number }>(`SELECT count(*)::int AS total ${from}`, of),
        query<Item>(part, [...of, page.limit, itemsBefore(page)]),
      ]),
    );
    return { items, total: counted[0]?.total ?? 0 };
  }

  return {
    /** The companies that a key can act for. */
    companies: ({ companyId, integrationId }: KeyOwner, page: Page) =>
      list<Company>('c.id, c.name', companies, [companyId, integrationId], page),

    /** The active numbers of a company: what its agents can get. */
    phoneNumbers: (companyId: string, page: Page) =>
      list<PhoneNumber>(
        'c.id, c.number, c.company_id AS "companyId", c.status, c.created_at AS "createdAt"',
        activeNumbers,
        [companyId],
        page,
      ),
  };
}
