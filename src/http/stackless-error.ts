/** An expected error without a stack: capturing one would take longer than the rest of a refused request. */
export class StacklessError extends Error {
  constructor(message: string, options: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}
