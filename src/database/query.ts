/**
 * Runs one statement; `rowsOf` gives its rows a type. Throws ApiError DATABASE_UNAVAILABLE if the database does not answer or
 * cannot run it now; otherwise the error of Prisma: the statement or a value is wrong.
 */
export type Query = (sql: string, parameters: readonly unknown[]) => Promise<unknown[]>;
