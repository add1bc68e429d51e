import type { IncomingMessage } from 'node:http';
import type { ApiError } from './problems.ts';

const problems = new WeakMap<IncomingMessage, ApiError>();

/** Keeps the problem that a message is answered with for the message's line in the log. */
export function noteProblem(message: IncomingMessage, error: ApiError): void {
  problems.set(message, error);
}

/** What the line of a message says of its problem: the code, null on success, and the cause of a 5xx. */
export function loggedProblem(message: IncomingMessage): { readonly code: string | null; readonly err?: unknown } {
  const error = problems.get(message);
  if (!error) return { code: null };
  return { code: error.code, ...(error.status >= 500 && error.cause !== undefined && { err: error.cause }) };
}
