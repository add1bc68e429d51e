/** The code of an error of the system, a library or PostgreSQL, such as `ENOENT` or `28P01`; undefined without one. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** Whether an error has one of these codes. */
export const hasCode = (error: unknown, ...codes: readonly string[]): error is Error =>
  codes.includes(codeOf(error) ?? '');
