/** An operator asked for something that is not allowed as things are: one sentence, which is printed; nothing was done. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}
