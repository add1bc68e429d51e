import { type LoggerOptions, pino } from 'pino';
import { sqlState } from './database/failures.ts';
import { ApiError } from './http/problems.ts';

const keys = /sk_[0-9A-Za-z]{8,}/g;

/** Characters of an error's text and of its stack that the log shows at most. */
const longestText = 500;
const longestStack = 4_000;

/**
 * The log: JSON lines, times as RFC 3339. An error shows its kind, SQLSTATE and text, but not the other members that
 * libraries hang on it, which can hold what a client sent; keys are cut out everywhere. Of an error that is an answer, it
 * shows the cause. Only a line that asks for the `stack` of an error has it: expected ones come in bulk.
 */
export function logOptions(level: string): LoggerOptions {
  const serializers = { err: describe, stack: stackOf };
  return { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers };
}

function describe(error: unknown): object {
  if (error instanceof ApiError && error.cause !== undefined) return describe(error.cause);
  if (!(error instanceof Error)) return { type: typeof error };
  return { type: error.name, sqlState: sqlState(error), message: withoutKeys(error.message).slice(0, longestText) };
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? withoutKeys(error.stack ?? '').slice(0, longestStack) : undefined;
}

const withoutKeys = (text: string) => text.replace(keys, 'sk_…');
