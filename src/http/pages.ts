import { deepest, type Pagination, usualLimit } from './pages.schema.ts';

export interface Page {
  /** From 1 on. */
  readonly page: number;
  readonly limit: number;
}

/** The items of a page, and the number of items on all pages. */
interface PageOf<Item> {
  readonly items: Item[];
  readonly total: number;
  readonly page: Page;
}

/** The page in a query, with defaults for what is absent. */
export const readPage = ({ page = 1, limit = usualLimit }: Partial<Page>): Page => ({ page, limit });

export const itemsBefore = ({ page, limit }: Page) => (page - 1) * limit;

/** The body of a list's answer. The next page must not be one that the schema of the query refuses. */
export function toPage<Item>({ items: data, total, page: { page, limit } }: PageOf<Item>) {
  const totalPages = Math.ceil(total / limit);
  const hasNextPage = page < totalPages && (page + 1) * limit <= deepest;
  const pagination: Pagination = { total, page, limit, totalPages, hasNextPage, hasPreviousPage: page > 1 };
  return { data, pagination };
}
