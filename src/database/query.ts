/**
 * Runs one statement. Throws ApiError DATABASE_UNAVAILABLE if the database does not answer or cannot run it now; otherwise
 * the error of Prisma: the statement or a value is wrong.
 */
export type Query = <Row>(sql: string, parameters: readonly unknown[]) => Promise<Row[]>;
