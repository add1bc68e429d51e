import { readdir, readFile } from 'node:fs/promises';

/** Milliseconds of a tick, in which Linux counts the processor time in `/proc`, on every architecture. */
const tick = 10;

/**
 * The processor time that a process and its children have used so far, those that have ended too.
 * @returns milliseconds, of the user and of the system; undefined where there is no `/proc`
 */
export async function processorTimeUnder(parent: number): Promise<number | undefined> {
  const own = await ticksOf(parent);
  if (!own) return undefined;
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = await Promise.all(ids.map(ticksOf));
  const living = processes.filter((found) => found?.parent === parent);
  return (own.used + own.ofEnded + living.reduce((sum, found) => sum + (found?.used ?? 0), 0)) * tick;
}

/** @returns undefined when there is no such process any more */
async function ticksOf(id: number) {
  const text = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is the name, in brackets and with any characters; see proc(5) for the rest.
  const [, parent, , , , , , , , , , user, system, userOfEnded, systemOfEnded] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return {
    parent,
    used: (user ?? 0) + (system ?? 0),
    ofEnded: (userOfEnded ?? 0) + (systemOfEnded ?? 0),
  };
}
