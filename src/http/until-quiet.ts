import { setImmediate } from 'node:timers/promises';

/** Connections that can wait to be accepted: what Node asks of the system, unless told otherwise. */
const backlog = 511;

/** Turns of the loop without any arrival, after which there is none to come: the first may be over in part. */
const quietTurns = 3;

/**
 * Resolves when every connection and every request that came before the call has been taken: a server that stops would
 * cut them off unseen. The loop takes one connection in a turn, and what came with it in the next. Under load there is
 * always another one; what came before is taken by then.
 * @param countArrivals connections and requests that have been taken so far
 */
export async function untilQuiet(countArrivals: () => number): Promise<void> {
  let quiet = 0;
  for (let turn = 0; quiet < quietTurns && turn < backlog + quietTurns; turn += 1) {
    const before = countArrivals();
    await setImmediate();
    quiet = countArrivals() === before ? quiet + 1 : 0;
  }
}
