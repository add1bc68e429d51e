/** An expected error. To capture its stack, which nobody reads, would take longer than the rest of a refusal. */
export class StacklessError extends Error {
  constructor(message: string, options: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}
