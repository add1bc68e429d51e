/**
 * Makes a function that runs the tasks of one owner one after the other, in the order of the calls. Tasks of different
 * owners do not wait for each other.
 */
export function ownerLine() {
  /** For each owner with running or waiting tasks, a promise that ends with the last of them; it never rejects. */
  const lines = new Map<string, Promise<void>>();

  return <Result>(owner: string, task: () => Promise<Result>): Promise<Result> => {
    const done = (lines.get(owner) ?? Promise.resolve()).then(task);
    const end = () => {
      if (lines.get(owner) === over) lines.delete(owner);
    };
    const over = done.then(end, end);
    lines.set(owner, over);
    return done;
  };
}
