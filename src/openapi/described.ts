import type { ProblemCode } from '../errors.ts';

/** Headers by name, each with what it says. The value is text. */
export type Headers = Readonly<Record<string, { readonly description: string; readonly enum?: readonly string[] }>>;

/** A success of a route: what it means, its own headers, and an example, which a test compares with a real answer. */
export interface Success {
  readonly description: string;
  readonly headers?: Headers;
  readonly example: { readonly headers?: Readonly<Record<string, string>>; readonly body?: object };
}

/** What the document says of a route that its schemas do not say. Part of the route's `schema`. */
export interface Described {
  readonly operationId: string;
  readonly tags: readonly ['Agents' | 'History' | 'Directory' | 'Health'];
  readonly summary: string;
  readonly description: string;
  /** By status: one for each schema in the route's `response`. */
  readonly successes: Readonly<Record<number, Success>>;
  /** Problems that the table in checks.ts does not derive from the route. */
  readonly problems?: readonly ProblemCode[];
}

declare module 'fastify' {
  interface FastifySchema extends Partial<Pick<Described, 'successes' | 'problems'>> {}
}

/** An example of a list with one page. */
export const onePage = (...data: object[]) => ({
  data,
  pagination: { total: data.length, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false },
});
