import { stat } from 'node:fs/promises';
import { hasCode, StartError } from '../errors.ts';

const unusable = ['EACCES', 'EPERM', 'ENAMETOOLONG', 'ELOOP'];

/** ENOENT is what Node reports of the others where it makes a folder together with those above it. */
const ofDisk = ['ENOSPC', 'EDQUOT', 'EROFS', 'ENOENT'];

/**
 * What to throw for an error of the file system: a StartError that says what is wrong with DATA_DIR, or the error itself when
 * another place or another fault is meant.
 * @param dataDir DATA_DIR, absolute
 */
export async function explainDataDir(dataDir: string, error: unknown): Promise<unknown> {
  if (hasCode(error, 'EEXIST', 'ENOTDIR')) {
    return new StartError(`DATA_DIR ${dataDir} is not a directory: name another one`);
  }
  if (!hasCode(error, ...unusable, ...ofDisk)) return error;
  const owner = (await stat(dataDir).catch(() => undefined))?.uid;
  const whose = owner === undefined || owner === process.getuid?.() ? '' : ` of user id ${owner}`;
  const remedy = hasCode(error, ...ofDisk)
    ? 'see that its disk has room and takes writes'
    : 'start as the user who made it';
  return new StartError(
    `DATA_DIR ${dataDir}${whose} cannot be used (${error.message}): ${remedy}, or name another one`,
  );
}
