import { onTestFinished } from 'vitest';
import type { AtEnd } from './process.ts';

/** Milliseconds after which a server in production answers 503 to a request whose statement has no answer, less a little. */
export const statementLimit = 2_000;

/** The same where a statement may wait for a lock, as beside a migration. */
export const lockLimit = 950;

/** The line of a log about webhooks whose statement took too long, as each second's may. */
export const lateWebhooks = 'a task of the webhook worker failed and is tried again';

type Proof = () => boolean | Promise<boolean>;

interface Wait {
  readonly since: number;
  readonly limit: number;
}

/** One run of a scene. */
export interface Attempt {
  /**
   * Waits for an answer, and measures how long.
   * @param limit milliseconds, by default the scene's: for an answer that is late on a fast machine too, the time that only a
   *   slow machine reaches
   */
  timed<Answer>(answer: Promise<Answer>, limit?: number): Promise<Answer>;
  /** Adds another proof that the machine was too slow, which is looked at if the scene fails. */
  provedBy(proof: Proof): void;
  /** Runs a task before the scene is run again, or at the end of the test. */
  readonly atEnd: AtEnd;
}

/** Makes a request to a server process that may be made twice; again if it is answered 503 because the machine was too slow. */
export const repeatedIfLate = <Answer extends { readonly status: number }>(
  request: () => Promise<Answer>,
  limit?: number,
) =>
  unlessTooSlow(async ({ timed }) => {
    const answer = await timed(request());
    if (answer.status === 503) throw new Error(`answered 503: ${JSON.stringify(answer)}`);
    return answer;
  }, limit);

/**
 * Runs a scene with a server process, which has the time limits of production. If it fails, and the machine was provably too
 * slow for these limits, it is run again, five times at most.
 * @param usualLimit milliseconds; an answer that took as long is a proof
 * @param whenDone the hook for the end of the test; a concurrent test gives that of its context
 */
export async function unlessTooSlow<Seen>(
  scene: (attempt: Attempt) => Promise<Seen>,
  usualLimit = statementLimit,
  whenDone: AtEnd = onTestFinished,
): Promise<Seen> {
  for (let left = 4; ; left -= 1) {
    // One that still waits when the scene fails counts too.
    const waits = new Set<Wait>();
    const isLate = ({ since, limit }: Wait) => performance.now() - since >= limit;
    let wasLate = false;
    const proofs: Proof[] = [() => wasLate || [...waits].some(isLate)];
    const tasks: Parameters<AtEnd>[0][] = [];
    const end = async () => {
      for (const task of tasks.splice(0).toReversed()) await task();
    };
    whenDone(end);
    try {
      return await scene({
        timed(answer, limit = usualLimit) {
          const wait = { since: performance.now(), limit };
          waits.add(wait);
          return answer.finally(() => {
            wasLate ||= isLate(wait);
            waits.delete(wait);
          });
        },
        provedBy: (proof) => void proofs.push(proof),
        atEnd: (task) => void tasks.push(task),
      });
    } catch (error) {
      const looks = await Promise.all(proofs.map((isProved) => isProved()));
      if (left === 0 || !looks.includes(true)) throw error;
      console.warn(`this machine was too slow, so the scene is run again: ${error}`);
      await end();
    }
  }
}
