import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../errors.ts';

/**
 * Reads a small file, or creates it (mode 0600). Concurrent processes get the same content.
 * @param make makes the content if there is no file yet
 */
export async function readOrCreate(path: string, make: () => string): Promise<string> {
  const existing = await readOptional(path);
  if (existing !== undefined) return existing;
  await mkdir(dirname(path), { recursive: true });
  // `link` is atomic and fails if the file exists: no process reads an incomplete file or replaces that of another.
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, make(), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, 'utf8');
}

/** The text of a file; undefined when there is none. */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
