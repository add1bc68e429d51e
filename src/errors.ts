/**
 * The set-up by the operator, or the database, does not allow what the program is to do, most often to start. The message, one
 * line for the operator, is printed, and the exit code is 1.
 */
export class StartError extends Error {
  override name = 'StartError';
}

/** A command of the operator cannot be carried out in the present state. The message says why; it is printed. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}

/** A command of the operator names an id that does not exist. */
export class UnknownIdError extends Error {
  override name = 'UnknownIdError';

  constructor(kind: string, id: string) {
    super(`there is no ${kind} with the id ${id}`);
  }
}

/** The code of an error of the system, a library or PostgreSQL, such as `ENOENT` or `28P01`; undefined without one. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** Whether an error has one of these codes. */
export const hasCode = (error: unknown, ...codes: readonly string[]): error is Error =>
  codes.includes(codeOf(error) ?? '');

/** OpenSSL's codes for a certificate that was not signed by a known authority. */
const unknownAuthority =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;

/** Whether a connection failed because no known authority signed the certificate of the other side. */
export const isOfUnknownAuthority = (error: unknown): boolean => unknownAuthority.test(codeOf(error) ?? '');
