import { type LoggerOptions, pino } from 'pino';
import { sqlState } from './database/failures.ts';
import { ApiError } from './errors.ts';

const keys = /sk_[0-9A-Za-z]{8,}/g;

/**
 * The log: JSON lines, times as RFC 3339. An error shows its kind, SQLSTATE, text and stack, but not the other members
 * that libraries hang on it, which can hold what a client sent; keys are cut out everywhere. Of an error that is an
 * answer, it shows the cause.
 */
export function logOptions(level: string): LoggerOptions {
  return { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };
}

function describe(error: unknown): object {
  if (error instanceof ApiError && error.cause !== undefined) return describe(error.cause);
  if (!(error instanceof Error)) return { type: typeof error };
  return {
    type: error.name,
    sqlState: sqlState(error),
    message: error.message.replace(keys, 'sk_…'),
    stack: error.stack?.replace(keys, 'sk_…'),
  };
}
