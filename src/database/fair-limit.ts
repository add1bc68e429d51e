import pLimit, { type LimitFunction } from 'p-limit';

/** Runs at most `most` calls of each key at the same time, those of a key in their order. */
export function limitByKey(most: number) {
  /** For each key whose calls run or wait. */
  const lines = new Map<string, LimitFunction>();
  return async <Result>(key: string, call: () => Promise<Result>): Promise<Result> => {
    const line = lines.get(key) ?? pLimit(most);
    lines.set(key, line);
    try {
      return await line(call);
    } finally {
      if (line.activeCount + line.pendingCount === 0) lines.delete(key);
    }
  };
}

/**
 * Runs at most `most` calls at the same time. Each key has at most that many in the common queue, so that however many calls a
 * key has, they delay a call of another key by at most one turn.
 */
export function fairLimit(most: number) {
  const inTurn = pLimit(most);
  const ofKey = limitByKey(most);
  return <Result>(key: string, call: () => Promise<Result>): Promise<Result> => ofKey(key, () => inTurn(call));
}
