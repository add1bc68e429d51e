/**
 * Calls a function after some time, once what has arrived by then has been read. The event loop runs timers first, then reads
 * from sockets, then runs what `setImmediate` has been given: where it was busy, an answer may have arrived that was not read.
 * @param milliseconds the time
 * @returns a function that cancels the call
 */
export function afterReading(task: () => void, milliseconds: number): () => void {
  let reading: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    reading = setImmediate(task);
  }, milliseconds);
  return () => {
    clearTimeout(timer);
    clearImmediate(reading);
  };
}

/**
 * Waits for the answer to a call. After the time limit the call goes on.
 * @param milliseconds the time limit; an answer that has arrived by then counts
 * @param onLate called if there is none; returns the error
 * @throws what the call throws, or the error of `onLate`
 */
export function inTime<Answer>(call: Promise<Answer>, milliseconds: number, onLate: () => Error): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const cancel = afterReading(() => reject(onLate()), milliseconds);
    call.finally(cancel).then(resolve, reject);
  });
}
