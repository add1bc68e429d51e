/** A command of the operator names an id that does not exist. */
export class UnknownIdError extends Error {
  constructor(kind: string, id: string) {
    super(`there is no ${kind} with the id ${id}`);
    this.name = 'UnknownIdError';
  }
}
