import { onTestFinished } from 'vitest';
import { send } from './http.ts';
import type { Attempt } from './too-slow.ts';

interface Target {
  readonly origin: string;
  readonly key: string;
  /** Ids of agents of one company; each is changed by one request after another. */
  readonly agents: readonly string[];
}

/**
 * Changes agents without pause until it is stopped, or until the end; each change makes a new version. Failures are recorded
 * and not retried.
 * @param attempt the run of a scene, which it measures
 */
export function startLoad(
  { origin, key, agents }: Target,
  { timed, atEnd }: Pick<Attempt, 'timed' | 'atEnd'> = { timed: (answer) => answer, atEnd: onTestFinished },
) {
  const failures: unknown[] = [];
  /** The newest answered version of each agent. */
  const acknowledged = new Map<string, number>();
  const waiting = new Set<() => void>();
  const underway = new Set<Promise<void>>();
  let target = origin;
  let answered = 0;
  let stopped = false;

  async function change(id: string, count: number): Promise<void> {
    const body = JSON.stringify({ duration: 1 + (count % 100), metadata: { count } });
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    try {
      const { status, text, headers: answer } = await timed(send(target, { path: `/agents/${id}`, headers, body }));
      if (status === 200) acknowledged.set(id, Number(JSON.parse(answer.etag ?? '0')));
      else failures.push(text);
    } catch (error) {
      failures.push(error);
    }
    answered += 1;
    for (const look of waiting) look();
  }

  async function changeOn(id: string): Promise<void> {
    for (let count = 1; !stopped; count += 1) {
      const changing = change(id, count);
      underway.add(changing);
      await changing;
      underway.delete(changing);
    }
  }

  atEnd(async () => {
    stopped = true;
  });
  const running = Promise.all(agents.map(changeOn));
  return {
    failures,
    acknowledged,
    /** Sends further requests to another server; resolves when those to the previous one are answered. */
    async moveTo(next: string): Promise<void> {
      target = next;
      await Promise.all(underway);
    },
    /** Resolves when `count` more requests are answered. */
    more(requests: number): Promise<void> {
      const enough = answered + requests;
      return new Promise((resolve) => {
        const look = () => {
          if (answered < enough) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
      });
    },
    /** Waits for the running requests; resolves with the number of all answers. */
    async stop(): Promise<number> {
      stopped = true;
      await running;
      return answered;
    },
  };
}
