import type { Pagination } from './pages.schema.ts';

/** A page of a list. */
export interface Page {
  /** From 1 on. */
  readonly page: number;
  readonly limit: number;
}

/** The page in a query, with defaults for what is absent. */
export const readPage = ({ page = 1, limit = 20 }: Partial<Page>): Page => ({ page, limit });

/** The number of items before a page. */
export const itemsBefore = ({ page, limit }: Page) => (page - 1) * limit;

/** The body of a list's answer: one page. */
export function toPage<Item>(
  data: Item[],
  total: number,
  { page, limit }: Page,
): { data: Item[]; pagination: Pagination } {
  const totalPages = Math.ceil(total / limit);
  return {
    data,
    pagination: { total, page, limit, totalPages, hasNextPage: page < totalPages, hasPreviousPage: page > 1 },
  };
}
