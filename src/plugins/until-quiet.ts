import { setImmediate } from 'node:timers/promises';

/** Milliseconds. */
const longest = 500;

/**
 * Resolves when the system holds no connection and no request any more that came before the call: a server that stops
 * would cut them off unseen. The loop takes one connection in a turn, and what came with it in the next; under load
 * there is always another one, so that it ends after half a second.
 * @param countArrivals connections and requests that have been taken so far
 */
export async function untilQuiet(countArrivals: () => number): Promise<void> {
  const end = performance.now() + longest;
  for (let quietTurns = 0; quietTurns < 3 && performance.now() < end; ) {
    const before = countArrivals();
    await setImmediate();
    quietTurns = countArrivals() === before ? quietTurns + 1 : 0;
  }
}
