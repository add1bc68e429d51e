import { setImmediate } from 'node:timers/promises';

/** Connections that can wait to be accepted: Node's default for `backlog`. */
const backlog = 511;

/** Turns of the event loop without an arrival that must pass; the first turn may have begun before the call. */
const quietTurns = 3;

/**
 * Resolves when the process has accepted all connections, and read all requests, that had arrived before the call. A server
 * that stops without this would reset them. The event loop accepts one connection per turn and reads its request in the
 * next. Under load there is no quiet turn; then it resolves after as many turns as connections can wait.
 * @param countArrivals returns the number of connections and requests so far
 */
export async function untilQuiet(countArrivals: () => number): Promise<void> {
  let quiet = 0;
  for (let turn = 0; quiet < quietTurns && turn < backlog + quietTurns; turn += 1) {
    const before = countArrivals();
    await setImmediate();
    quiet = countArrivals() === before ? quiet + 1 : 0;
  }
}
