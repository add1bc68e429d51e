import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, realpath, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { keptFile } from '../kept-file.ts';
import { StartError } from '../start-error.ts';
import { canEnter, type OsUser } from './user.ts';

/** Where an embedded PostgreSQL keeps what it needs. */
export interface Home {
  /** DATA_DIR, absolute. */
  readonly dataDir: string;
  /** Holds the cluster, its log and, where needed, a copy of the programs; the user of PostgreSQL can enter it. */
  readonly directory: string;
  readonly password: string;
  readonly passwordFile: string;
  readonly user: OsUser;
  readonly notes: readonly string[];
}

const homesOfRoot = '/var/lib/interview-agents-api';

/**
 * Finds the place that belongs to a DATA_DIR, or makes it.
 * @throws StartError when DATA_DIR cannot be used
 */
export async function openHome(dataDirGiven: string, user: OsUser): Promise<Home> {
  const given = resolve(dataDirGiven);
  try {
    await makeDirectory(given, user);
    const dataDir = await realpath(given);
    const { directory, notes } = await findDirectory(dataDir, user);
    await makeDirectory(directory, user);
    const passwordFile = join(dataDir, 'postgres-password');
    return { dataDir, directory, passwordFile, password: await keptFile(passwordFile, makePassword), user, notes };
  } catch (error) {
    throw await explained(given, error);
  }
}

function makePassword(): string {
  return randomBytes(24).toString('hex');
}

/** One that is made as root can be entered by everybody, and listed by nobody else; the secrets in it are files of 0600. */
async function makeDirectory(directory: string, user: OsUser): Promise<void> {
  const made = await mkdir(directory, { recursive: true });
  if (made !== undefined) await chmod(directory, user.ids ? 0o711 : 0o700);
}

async function findDirectory(dataDir: string, user: OsUser): Promise<Pick<Home, 'directory' | 'notes'>> {
  const inside = join(dataDir, 'postgres');
  const elsewhere = await readOptional(locationFile(dataDir));
  if (elsewhere === undefined) {
    if (user.ids === undefined || (await canEnter(user, dataDir))) return { directory: inside, notes: [] };
    if (await exists(inside)) {
      throw new StartError(
        `user ${user.name}, who runs PostgreSQL, can no longer enter DATA_DIR ${dataDir}: let others enter it (chmod o+x)`,
      );
    }
  }
  const directory = elsewhere ?? join(homesOfRoot, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
  if (elsewhere === undefined) await makeVisibleTo(directory, dataDir);
  return {
    directory,
    notes: [`the cluster lives in ${directory} because user ${user.name} could not enter ${dataDir}`],
  };
}

async function makeVisibleTo(directory: string, dataDir: string): Promise<void> {
  const made = await mkdir(dirname(directory), { recursive: true });
  if (made !== undefined) await chmod(dirname(directory), 0o755);
  await writeFile(locationFile(dataDir), directory, { mode: 0o600 });
}

function locationFile(dataDir: string): string {
  return join(dataDir, 'postgres-location');
}

async function explained(dataDir: string, error: unknown): Promise<unknown> {
  const code = errorCode(error);
  if (code === 'EEXIST' || code === 'ENOTDIR') {
    return new StartError(`DATA_DIR ${dataDir} is not a directory: name another one`);
  }
  if (!(error instanceof Error) || code === undefined || !unusable.has(code)) return error;
  const owner = (await stat(dataDir).catch(() => undefined))?.uid;
  const whose = owner === undefined || owner === process.getuid?.() ? '' : ` of user id ${owner}`;
  return new StartError(
    `DATA_DIR ${dataDir}${whose} cannot be used (${error.message}): start as the user who made it, or name another one`,
  );
}

const unusable: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOSPC',
  'EDQUOT',
  'ENAMETOOLONG',
  'ELOOP',
]);

/**
 * Erases a DATA_DIR and all that belongs to it, wherever it lives.
 * No process may be using it.
 */
export async function eraseEmbedded(dataDir: string): Promise<void> {
  const elsewhere = await readOptional(locationFile(resolve(dataDir)));
  if (elsewhere !== undefined) {
    await rm(elsewhere, { recursive: true, force: true });
    await rmdir(dirname(elsewhere)).catch(() => {});
  }
  await rm(dataDir, { recursive: true, force: true });
}

/** The text of a file; undefined when there is none. */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** The code of a system's or of PostgreSQL's error: `ENOENT`, `57P01`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
