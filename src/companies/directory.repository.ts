import type { KeyOwner } from '../auth/api-key.ts';
import type { Database } from '../database/client.ts';
import { pageRowsOf } from '../database/rows.ts';
import type { Page } from '../http/pages.ts';
import { companiesStatement, phoneNumbersStatement } from './directory.statements.ts';
import { companyRowSchema, phoneNumberRowSchema } from './row.schema.ts';

const companiesOf = pageRowsOf(companyRowSchema);
const phoneNumbersOf = pageRowsOf(phoneNumberRowSchema);

export type DirectoryRepository = ReturnType<typeof directoryRepository>;

/**
 * Lists that integrators need before they create or change agents: companies and phone numbers. Each method returns one
 * page, the oldest first, and the total number of items. Throws ApiError DATABASE_UNAVAILABLE.
 */
export function directoryRepository({ query }: Database) {
  return {
    /** The companies that a key can act for. */
    async companies(owner: KeyOwner, page: Page) {
      return { ...companiesOf(await query(companiesStatement(owner, page))), page };
    },

    /** The active phone numbers of a company, which its agents can be given. */
    async phoneNumbers(companyId: string, page: Page) {
      return { ...phoneNumbersOf(await query(phoneNumbersStatement(companyId, page))), page };
    },
  };
}
