import { readFileSync } from 'node:fs';

/** Freezes processes and all of their children, as if their machine stopped. @returns all of them */
export function stopAll(parents: readonly number[]): number[] {
  const stopped = [...parents];
  // A process is frozen before its children are listed, so that no new child starts.
  for (const pid of parents) process.kill(pid, 'SIGSTOP');
  for (const pid of parents) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    for (const child of children) process.kill(child, 'SIGSTOP');
    stopped.push(...children);
  }
  return stopped;
}
