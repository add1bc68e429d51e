/** An operator named something that is not there. */
export class UnknownIdError extends Error {
  constructor(kind: string, id: string) {
    super(`there is no ${kind} with the id ${id}`);
    this.name = 'UnknownIdError';
  }
}
