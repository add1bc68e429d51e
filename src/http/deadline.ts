import { databaseUnavailable } from './problems.ts';

/** Milliseconds within which a request is answered, without the time in which its body arrives. */
const longest = 4_800;

/**
 * When a request is answered at the latest, whatever the database does. A request has one, which all that it waits for
 * shares, and with it at most one timer.
 */
export class Deadline {
  /** In milliseconds as `performance.now()` counts. */
  at: number;
  #pausedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #onPassed: (() => void) | undefined;
  #isOver = false;

  /** @param arrivedAt in milliseconds as `performance.now()` counts */
  constructor(arrivedAt: number) {
    this.at = arrivedAt + longest;
  }

  /** Milliseconds that are left; less than 0 once it has passed. */
  left(): number {
    return this.at - performance.now();
  }

  /** From here to `resume` the server waits for the client: that time does not count. */
  pause(): void {
    this.#pausedAt = performance.now();
  }

  resume(): void {
    this.at += performance.now() - this.#pausedAt;
  }

  /**
   * Waits for a call until the deadline; the call goes on all the same, and what it changes may still be saved.
   * @throws ApiError DATABASE_UNAVAILABLE once it has passed
   */
  race<Result>(call: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.watch(() => reject(databaseUnavailable(new Error('no answer in time'))));
      call.then(
        (result) => {
          this.unwatch();
          resolve(result);
        },
        (error: unknown) => {
          this.unwatch();
          reject(error);
        },
      );
    });
  }

  /** Calls a function once the deadline has passed, unless `unwatch` came first. A request waits for one thing at a time. */
  watch(onPassed: () => void): void {
    if (this.#onPassed) throw new Error('a request waits for one thing at a time');
    this.#onPassed = onPassed;
    this.#timer ??= setTimeout(() => this.#look(), this.left());
  }

  unwatch(): void {
    this.#onPassed = undefined;
    if (this.#isOver) clearTimeout(this.#timer);
  }

  /** The answer is out, or its client has gone: nothing more is begun. What is waited for still has its deadline. */
  end(): void {
    this.#isOver = true;
    if (!this.#onPassed) clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#onPassed) return;
    if (this.left() > 0) this.#timer = setTimeout(() => this.#look(), this.left());
    else {
      const onPassed = this.#onPassed;
      this.#onPassed = undefined;
      onPassed();
    }
  }
}
