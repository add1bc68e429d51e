import { stat } from 'node:fs/promises';
import { hasCode, StartError } from '../errors.ts';

const unusable = ['EACCES', 'EPERM', 'ENAMETOOLONG', 'ELOOP'];

const ofDisk = ['ENOSPC', 'EDQUOT', 'EROFS'];

/**
 * Runs work that needs DATA_DIR.
 * @param dataDir DATA_DIR, absolute
 * @throws StartError that says what is wrong with DATA_DIR; what `work` throws for any other reason
 */
export async function inDataDir<Result>(dataDir: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw await explain(dataDir, error);
  }
}

/** System calls whose errors are not about files, though they have the same codes. */
const others = /^(listen|connect|kill|spawn)/;

async function explain(dataDir: string, error: unknown): Promise<unknown> {
  if (error instanceof Error && 'syscall' in error && others.test(String(error.syscall))) return error;
  if (hasCode(error, 'EEXIST', 'ENOTDIR')) {
    return new StartError(`DATA_DIR ${dataDir} is not a directory: name another one`);
  }
  // Where a folder is made together with those above it, Node reports ENOENT instead of some errors of the disk.
  const isOfDisk = hasCode(error, ...ofDisk) || (hasCode(error, 'ENOENT') && error.message.includes(', mkdir '));
  if (!isOfDisk && !hasCode(error, ...unusable)) return error;
  const owner = (await stat(dataDir).catch(() => undefined))?.uid;
  const whose = owner === undefined || owner === process.getuid?.() ? '' : ` of user id ${owner}`;
  const remedy = isOfDisk ? 'see that its disk is there, has room and takes writes' : 'start as the user who made it';
  return new StartError(
    `DATA_DIR ${dataDir}${whose} cannot be used (${error.message}): ${remedy}, or name another one`,
  );
}
