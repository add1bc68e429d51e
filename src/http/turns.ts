import type { ServerResponse } from 'node:http';
import type { Deadline } from './deadline.ts';
import { overloaded } from './problems.ts';

interface Bounds {
  /** Tasks of one name that run at the same time, at most. */
  readonly running: number;
  /** Further tasks of one name that wait, at most. */
  readonly waiting: number;
}

/** Milliseconds to the deadline that a task needs for its statements; with less left when its turn comes, it is refused. */
export const leftForStatements = 1_000;

/** The right to run. `end` gives it back; further calls have no effect. */
export interface Turn {
  readonly end: () => void;
}

/** The tasks of one name. */
interface Line {
  running: number;
  /** Functions that begin the waiting tasks, oldest first. Each returns false if it refused its task instead. */
  readonly waiting: Set<() => boolean>;
}

/** Limits how many tasks of one name run at the same time; the others wait in the order of their arrival. */
export function turns(bounds: Bounds) {
  const lines = new Map<string, Line>();

  function lineOf(name: string): Line {
    const found = lines.get(name);
    if (found) return found;
    const line = { running: 0, waiting: new Set<() => boolean>() };
    lines.set(name, line);
    return line;
  }

  /** Makes a turn, which is in `line.running` already. */
  function begun(name: string, line: Line): Turn {
    let isOver = false;
    return {
      end() {
        if (isOver) return;
        isOver = true;
        for (const begin of line.waiting) if (begin()) return;
        line.running -= 1;
        if (line.running === 0) lines.delete(name);
      },
    };
  }

  return {
    /**
     * Takes a turn for a task of this name; the task waits if too many of that name run.
     * @param deadline of the task's request, which must not wait for anything else meanwhile
     * @param response of the request
     * @returns a turn, which must be ended; a promise only if the task has to wait
     * @throws ApiError OVERLOADED if too many tasks wait, the deadline is near, or the client closes the connection
     */
    take(name: string, deadline: Deadline, response: ServerResponse): Turn | Promise<Turn> {
      const line = lineOf(name);
      if (line.running < bounds.running) {
        line.running += 1;
        return begun(name, line);
      }
      // The close of a response that is closed already would not be noticed.
      if (line.waiting.size >= bounds.waiting || response.closed) throw overloaded();
      return new Promise((resolve, reject) => {
        const stop = () => {
          line.waiting.delete(begin);
          deadline.unwatch();
          response.off('close', refuse);
        };
        const refuse = () => {
          stop();
          reject(overloaded());
        };
        // `running` stays the same: this task replaces the one that has ended.
        const begin = () => {
          if (deadline.left() < leftForStatements) {
            refuse();
            return false;
          }
          stop();
          resolve(begun(name, line));
          return true;
        };
        line.waiting.add(begin);
        deadline.watch(refuse);
        response.once('close', refuse);
      });
    },
  };
}
