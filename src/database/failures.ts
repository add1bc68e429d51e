import { isDriverAdapterError } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { codeOf, StartError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { ApiError, databaseUnavailable } from '../http/problems.ts';

/** Classes of SQLSTATE for a wrong statement or value: data, constraint, syntax or access. */
const ourClasses = /^(0A|21|22|23|26|2F|42|44|P0)/;

/**
 * Codes of Prisma for a wrong call. Its other codes are about connections and transactions: P1xxx unreachable or closed,
 * P2024 and P2028 timeouts, P2034 and P2037 temporary. Errors of sockets have codes of their own, such as EPIPE.
 */
const ourCodes = /^P(?!2024|2028|2034|2037)2\d\d\d$/;

/** The message for a statement that got no answer within its limit (`limitAnswers`), in the words of `pg`. */
export const noAnswer = 'Query read timeout';

/** Whether a statement got no answer at all, not even PostgreSQL's own timeout error. */
export const isUnanswered = (error: unknown): boolean => error instanceof Error && error.message === noAnswer;

/**
 * Classifies an error of Prisma or `pg`. The only place that does.
 * @returns the error itself if a statement or value was wrong, or it is an ApiError or StartError; else ApiError
 *   DATABASE_UNAVAILABLE
 */
export function toDatabaseError(error: unknown): unknown {
  const isOwn = error instanceof ApiError || error instanceof StartError;
  return isOwn || isOurFault(error) ? error : databaseUnavailable(error);
}

function isOurFault(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return ourClasses.test(state);
  // An error of the driver without an SQLSTATE: the connection broke or could not be opened.
  const cause = reported(error);
  if (cause) return cause.kind === 'UnsupportedNativeDataType';
  if (error instanceof Prisma.PrismaClientKnownRequestError) return ourCodes.test(error.code);
  return error instanceof Prisma.PrismaClientValidationError;
}

/** The error of the driver inside an error of Prisma. */
function reported(error: unknown) {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  const { driverAdapterError } = error.meta ?? {};
  // Prisma's own errors, such as P2028, have none, and `isDriverAdapterError` throws for undefined.
  return driverAdapterError && isDriverAdapterError(driverAdapterError) ? driverAdapterError.cause : undefined;
}

/** The SQLSTATE of an error, or of an ApiError's cause; undefined without one, as when the connection broke. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof ApiError) return sqlState(error.cause);
  return error instanceof pg.DatabaseError ? error.code : reported(error)?.originalCode;
}

/**
 * Whether PostgreSQL is no primary any more: read-only as a standby is (25006), shutting down, restarting after a crash, or
 * not yet accepting connections (57P01 to 57P03).
 */
export const isNoPrimary = (error: unknown): boolean => /^(25006|57P0[123])$/.test(sqlState(error) ?? '');

/** Whether Prisma refused a call before it became a statement: a fault of this program. */
export const isWrongCall = (error: unknown): boolean => error instanceof Prisma.PrismaClientValidationError;

/** Whether an error comes from Prisma, from its driver, or from PostgreSQL. */
export const isDatabaseError = (error: unknown): boolean =>
  error instanceof pg.DatabaseError ||
  isDriverAdapterError(error) ||
  [
    Prisma.PrismaClientKnownRequestError,
    Prisma.PrismaClientUnknownRequestError,
    Prisma.PrismaClientInitializationError,
    Prisma.PrismaClientRustPanicError,
  ].some((kind) => error instanceof kind);

/** Messages of `pg`, whose own errors are plain ones, for a connection that broke or could not be had, and a missing answer. */
const lostMessages =
  /^(Query read timeout|Connection terminated|Client (has encountered a connection error|was closed)|timeout exceeded)/;

/** Codes of a broken socket. Prisma's adapter passes on those that it does not know, such as EPIPE. */
const lostCodes = /^(EPIPE|ECONNRESET|ETIMEDOUT)$/;

/** A write was refused before it was sent to PostgreSQL: certainly nothing of it was done. */
export class NotBegunError extends Error {
  override name = 'NotBegunError';
}

/** Whether the database may have done what a failed call asked: no answer came, perhaps to a COMMIT that was sent. */
export function mayHaveBeenDone(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return /^(08|57P)/.test(state);
  if (error instanceof ApiError)
    return error.code === 'DATABASE_UNAVAILABLE' && !(error.cause instanceof NotBegunError);
  if (isDatabaseError(error)) return true;
  return error instanceof Error && (lostMessages.test(error.message) || lostCodes.test(codeOf(error) ?? ''));
}

/** The message of an error in one line: without the source code of the call, which Prisma puts before it. */
export const messageOf = ({ message }: Error): string =>
  message.startsWith('\nInvalid `') ? message.slice(message.lastIndexOf('\n') + 1) : message;

/** Whether a statement failed with a unique violation of the named index. */
export function isTaken(error: unknown, index: string): boolean {
  const cause = reported(error);
  if (cause?.kind !== 'UniqueConstraintViolation' || cause.constraint === undefined) return false;
  return 'index' in cause.constraint && cause.constraint.index === index;
}

/** Whether a row was not deleted because others refer to it: 23503 before PostgreSQL 18, 23001 since then. */
export const isReferenced = (error: unknown): boolean => /^(23503|23001)$/.test(sqlState(error) ?? '');

/** Whether a statement failed because it waited for a lock for longer than `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => sqlState(error) === '55P03';

/**
 * Whether a named statement was refused because its plan is stale: the types of its result changed with a column. The
 * SQLSTATE is feature_not_supported, which none of our statements gets for another reason.
 */
export const isStalePlan = (error: unknown): boolean => sqlState(error) === '0A000';

/**
 * Whether a statement for a batch was certainly rolled back, so that its items can be run one by one: one of them had a bad
 * value, a lock was held, or there was a deadlock. False after a lost connection or a timeout: it may have been committed.
 */
export const wasUndone = (error: unknown): boolean =>
  !(error instanceof ApiError) || /^(40001|40P01|55P03)$/.test(sqlState(error) ?? '');
