/** A command of the operator that is not allowed in the present state. Its message is printed; nothing was changed. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}
