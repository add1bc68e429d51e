/** A command of the operator cannot be carried out in the present state. The message says why; it is printed. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}

/** A command of the operator names an id that does not exist. */
export class UnknownIdError extends Error {
  override name = 'UnknownIdError';

  constructor(kind: string, id: string) {
    super(`there is no ${kind} with the id ${id}`);
  }
}
