import { afterReading } from './in-time.ts';
import { timedOut } from './problems.ts';

/** Milliseconds within which a request is answered, not counting the time in which its body arrives. */
export const longest = 4_800;

/** The time by which a request is answered, even if the database does not answer. One for each request, with one timer. */
export class Deadline {
  /** The deadline, in milliseconds on the clock of `performance.now()`. */
  at: number;
  #pausedAt: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #onPassed: (() => void) | undefined;
  #isOver = false;

  /**
   * @param arrivedAt in milliseconds on the clock of `performance.now()`
   * @param longestRequest milliseconds within which the request is answered
   */
  constructor(arrivedAt: number, longestRequest = longest) {
    this.at = arrivedAt + longestRequest;
  }

  /** Milliseconds until the deadline; negative once it has passed. */
  left(): number {
    return this.at - performance.now();
  }

  /** Stops the clock while the server waits for the client to send the body. */
  pause(): void {
    this.#pausedAt = performance.now();
  }

  /** Lets the clock go on, if it was stopped. */
  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.at += performance.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  /**
   * Waits for a call until the deadline. After that the call goes on, and its changes may still be committed.
   * @throws ApiError DATABASE_UNAVAILABLE once the deadline has passed
   */
  race<Result>(call: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.watch(() => reject(timedOut()));
      call.finally(() => this.unwatch()).then(resolve, reject);
    });
  }

  /**
   * Calls a function when the deadline passes, unless `unwatch` is called before.
   * @throws Error if another function is being watched: a request waits for one thing at a time
   */
  watch(onPassed: () => void): void {
    if (this.#onPassed) throw new Error('a request waits for one thing at a time');
    this.#onPassed = onPassed;
    this.#cancelTimer ??= afterReading(() => this.#look(), this.left());
  }

  unwatch(): void {
    this.#onPassed = undefined;
    if (this.#isOver) this.#clear();
  }

  /** Call it when the response is over: clears the timer now or, if a function is being watched, at `unwatch`. */
  end(): void {
    this.#isOver = true;
    if (!this.#onPassed) this.#clear();
  }

  /** A later `watch` starts another timer: a request can still run after its client has closed the connection. */
  #clear(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #look(): void {
    this.#cancelTimer = undefined;
    if (!this.#onPassed) return;
    if (this.left() > 0) this.#cancelTimer = afterReading(() => this.#look(), this.left());
    else {
      const onPassed = this.#onPassed;
      this.#onPassed = undefined;
      onPassed();
    }
  }
}
