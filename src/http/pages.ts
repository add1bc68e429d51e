import type { Pagination } from './pages.schema.ts';

/** Which part of a list is wanted. */
export interface Page {
  /** From 1 on. */
  readonly page: number;
  readonly limit: number;
}

/** The page that a query asks for, where it may leave both out. */
export const readPage = ({ page = 1, limit = 20 }: Partial<Page>): Page => ({ page, limit });

/** How many items stand before a page. */
export const itemsBefore = ({ page, limit }: Page) => (page - 1) * limit;

/** One page of items as lists answer it. */
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
