import { stat } from 'node:fs/promises';
import { hasCode, StartError } from '../errors.ts';

const unusable = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENAMETOOLONG', 'ELOOP'];

/**
 * What to throw for an error of the file system: a StartError that says what is wrong with DATA_DIR, or the error itself when
 * another place or another fault is meant.
 * @param dataDir DATA_DIR, absolute
 */
export async function explainDataDir(dataDir: string, error: unknown): Promise<unknown> {
  if (hasCode(error, 'EEXIST', 'ENOTDIR')) {
    return new StartError(`DATA_DIR ${dataDir} is not a directory: name another one`);
  }
  if (!hasCode(error, ...unusable)) return error;
  const owner = (await stat(dataDir).catch(() => undefined))?.uid;
  const whose = owner === undefined || owner === process.getuid?.() ? '' : ` of user id ${owner}`;
  return new StartError(
    `DATA_DIR ${dataDir}${whose} cannot be used (${error.message}): start as the user who made it, or name another one`,
  );
}
