import type { ServerResponse } from 'node:http';
import type { Deadline } from './deadline.ts';
import { overloaded } from './problems.ts';

interface Bounds {
  /** Tasks of one name that run at once. */
  readonly running: number;
  /** Further tasks of one name that may wait. */
  readonly waiting: number;
}

/** Milliseconds that must be left for the statements of a task when its turn comes; else it is refused. */
const leftForStatements = 1_000;

/** The right to run; given back once. */
export interface Turn {
  readonly end: () => void;
}

/** The tasks of one name. */
interface Line {
  running: number;
  /** Each begins one that waits, oldest first, or refuses it: then it returns false. */
  readonly waiting: Set<() => boolean>;
}

/** Bounds how many tasks of one name run at once; the others wait in the order of their arrival. */
export function turns(bounds: Bounds) {
  const lines = new Map<string, Line>();

  function lineOf(name: string): Line {
    const found = lines.get(name);
    if (found) return found;
    const line = { running: 0, waiting: new Set<() => boolean>() };
    lines.set(name, line);
    return line;
  }

  /** A turn that has been counted. */
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
     * @param deadline of the request whose task it is, and that waits for nothing else meanwhile
     * @param response of the request
     * @returns a turn, which must be ended; a promise only where there is none yet
     * @throws ApiError OVERLOADED when too many wait, the wait takes too long, or the client leaves meanwhile
     */
    take(name: string, deadline: Deadline, response: ServerResponse): Turn | Promise<Turn> {
      const line = lineOf(name);
      if (line.running < bounds.running) {
        line.running += 1;
        return begun(name, line);
      }
      if (line.waiting.size >= bounds.waiting) throw overloaded();
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
        // It takes over the place of the task that has ended.
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
