import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from './process.ts';

/** A pipe whose reader reads only on request. */
export async function openPipe() {
  const path = join(await makeFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const openReader = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let reader = openReader();
  const writer = openSync(path, constants.O_WRONLY);
  const bytes = Buffer.alloc(65_536);
  let text = '';
  return {
    writer,
    closeReader: () => closeSync(reader),
    openReader() {
      reader = openReader();
    },
    /** All that was read so far. */
    read(): string {
      for (;;) {
        const count = readNow(reader, bytes);
        if (count === 0) return text;
        text += bytes.toString('latin1', 0, count);
      }
    },
  };
}

function readNow(fd: number, bytes: Buffer): number {
  try {
    return readSync(fd, bytes);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
