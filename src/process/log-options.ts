import { type LoggerOptions, pino } from 'pino';
import { withoutKeys } from '../auth/api-key.ts';
import { messageOf, sqlState } from '../database/failures.ts';
import { ApiError } from '../http/problems.ts';

/** Characters of an error's text and of its stack that the log shows at most. */
const longestText = 500;
const longestStack = 4_000;

/**
 * The log: JSON lines, times as RFC 3339. An error is logged with its type, SQLSTATE and message, without the other members
 * that libraries add, which can contain input of a client. API keys are removed everywhere. Of an ApiError, the cause is
 * logged. The stack is logged only as the member `stack` of a line, as expected errors are frequent.
 * @param replica the name of this process among those that log to the same place
 */
export function logOptions(level: string, replica?: string): LoggerOptions {
  const serializers = { err: describe, stack: stackOf };
  const base = replica === undefined ? null : { replica };
  return { level, base, timestamp: pino.stdTimeFunctions.isoTime, serializers };
}

function describe(error: unknown): object {
  if (error instanceof ApiError && error.cause !== undefined) return describe(error.cause);
  if (!(error instanceof Error)) return { type: typeof error };
  return { type: error.name, sqlState: sqlState(error), message: withoutKeys(messageOf(error)).slice(0, longestText) };
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? withoutKeys(error.stack ?? '').slice(0, longestStack) : undefined;
}
