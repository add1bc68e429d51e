import { execFileSync } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { makeFolder } from '../../support/process.ts';

/** Whether this process may mount a disk, as root can outside of most containers. */
export const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** An empty disk in memory, which the test removes at its end. Create whatever uses it after it. */
export async function mountSmallDisk(megabytes: number) {
  const folder = await makeFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=1777`, 'tmpfs', folder]);
  onTestFinished(() => {
    execFileSync('umount', [folder]);
  });
  const ballast = join(folder, 'ballast');
  return {
    folder,

    /** Writes until the disk is full. */
    async fill(): Promise<void> {
      const file = await open(ballast, 'w');
      try {
        for (const bytes of [Buffer.alloc(65_536), Buffer.alloc(4_096)]) {
          while (await file.write(bytes).then(({ bytesWritten }) => bytesWritten === bytes.length, isFull));
        }
      } finally {
        await file.close();
      }
    },

    empty: () => rm(ballast),
  };
}

function isFull(error: unknown): false {
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
  throw error;
}
