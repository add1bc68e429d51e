import { readFileSync } from 'node:fs';

/**
 * Stops processes where they are, and the children of all, as the machine that they are on would.
 * @returns all of them
 */
export function stopAll(parents: readonly number[]): number[] {
  const stopped = [...parents];
  // Before their children are counted, so that no new one comes.
  for (const pid of parents) process.kill(pid, 'SIGSTOP');
  for (const pid of parents) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    for (const child of children) process.kill(child, 'SIGSTOP');
    stopped.push(...children);
  }
  return stopped;
}
