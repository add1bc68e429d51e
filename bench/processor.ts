import { readdir, readFile } from 'node:fs/promises';

/** Milliseconds of a tick, the unit of processor time in Linux's `/proc` on every architecture. */
const tick = 10;

/**
 * The processor time of a process and its children since their start, ended children included.
 * @returns milliseconds, user and system; undefined without `/proc`
 */
export async function processorTimeUnder(parent: number): Promise<number | undefined> {
  const own = await ticksOf(parent);
  if (!own) return undefined;
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = await Promise.all(ids.map(ticksOf));
  const living = processes.filter((found) => found?.parent === parent);
  return (own.used + own.ofEnded + living.reduce((sum, found) => sum + (found?.used ?? 0), 0)) * tick;
}

/** @returns undefined if the process has ended */
async function ticksOf(id: number) {
  const text = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is the name, in brackets and with any characters; proc(5) describes the others.
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
