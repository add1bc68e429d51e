import { isDriverAdapterError } from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { Prisma } from '../generated/prisma/client.ts';
import { ApiError, databaseUnavailable } from '../http/problems.ts';

/** Classes of SQLSTATE that tell of a wrong statement or value: data, constraint, syntax or access. */
const ourClasses = /^(0A|21|22|23|26|2F|42|44|P0)/;

/**
 * Codes of Prisma's own errors that tell of a wrong call. Others tell of connections and transactions: P1xxx not reachable or
 * closed, P2024 and P2028 no answer in time, P2034 and P2037 refused for now; errors of sockets have codes too, such as EPIPE.
 */
const ourCodes = /^P(?!2024|2028|2034|2037)2\d\d\d$/;

/** The message of `pg` for a statement that got no answer within `query_timeout`. */
const noAnswer = 'Query read timeout';

/** Whether a statement got no answer at all, not even that it took too long. */
export const isUnanswered = (error: unknown): boolean => error instanceof Error && error.message === noAnswer;

/**
 * The one place where an error of Prisma or `pg` is judged.
 * @returns ApiError DATABASE_UNAVAILABLE where the database is to blame; the error itself where a statement or value was wrong
 */
export function toDatabaseError(error: unknown): unknown {
  return error instanceof ApiError || isOurFault(error) ? error : databaseUnavailable(error);
}

function isOurFault(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return ourClasses.test(state);
  // Of the driver without an SQLSTATE: the connection broke, or could not be made.
  const cause = reported(error);
  if (cause) return cause.kind === 'UnsupportedNativeDataType';
  if (error instanceof Prisma.PrismaClientKnownRequestError) return ourCodes.test(error.code);
  return error instanceof Prisma.PrismaClientValidationError;
}

/** What PostgreSQL reported through Prisma's adapter. */
function reported(error: unknown) {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return undefined;
  const { driverAdapterError } = error.meta ?? {};
  return isDriverAdapterError(driverAdapterError) ? driverAdapterError.cause : undefined;
}

/**
 * The SQLSTATE that PostgreSQL reported, of an ApiError that of its cause; undefined when it reported nothing, as when the
 * connection broke.
 */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof ApiError) return sqlState(error.cause);
  return error instanceof pg.DatabaseError ? error.code : reported(error)?.originalCode;
}

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

/** What an error says in one line: without the call that Prisma puts before what the database or the driver said. */
export const messageOf = ({ message }: Error): string =>
  message.startsWith('\nInvalid `') ? message.slice(message.lastIndexOf('\n') + 1) : message;

/** Whether a statement was undone because a unique index, by its name, holds the value already. */
export function isTaken(error: unknown, index: string): boolean {
  const cause = reported(error);
  if (cause?.kind !== 'UniqueConstraintViolation' || cause.constraint === undefined) return false;
  return 'index' in cause.constraint && cause.constraint.index === index;
}

/** Whether a row was not deleted because others refer to it: before PostgreSQL 18 by the one code, since then by the other. */
export const isReferenced = (error: unknown): boolean => /^(23503|23001)$/.test(sqlState(error) ?? '');

/** Whether a statement was undone because somebody else held a lock for longer than `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => sqlState(error) === '55P03';

/**
 * Whether a named statement was refused because its plan is stale: its result has other types since somebody changed a
 * column. No statement of ours gets this SQLSTATE, feature_not_supported, for any other reason.
 */
export const isStalePlan = (error: unknown): boolean => sqlState(error) === '0A000';

/**
 * Whether PostgreSQL undid a statement for a reason that its items may not share when they run one by one: a bad value among
 * them, a lock that was held, a deadlock. After a lost connection or a time limit nobody knows what was committed.
 */
export const wasUndone = (error: unknown): boolean =>
  !(error instanceof ApiError) || /^(40001|40P01|55P03)$/.test(sqlState(error) ?? '');
