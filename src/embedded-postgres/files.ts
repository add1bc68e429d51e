import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { hasCode } from '../errors.ts';

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/**
 * Makes a directory unless it exists. It is filled under another name and renamed, so that it is complete whenever it
 * exists. If two processes make it at the same time, both use the directory of the first.
 */
export async function makeOnce(directory: string, fill: (draft: string) => Promise<void>): Promise<void> {
  if (await exists(directory)) return;
  const draft = `${directory}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(draft, { mode: 0o700 });
    await fill(draft);
    await rename(draft, directory);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
