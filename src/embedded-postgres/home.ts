import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StartError } from '../errors.ts';
import { readOptional, readOrCreate } from '../process/read-or-create.ts';
import { exists } from './files.ts';
import { type OsUser, runProgram } from './os-user.ts';

/** The directories, password and user of an embedded PostgreSQL. */
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

/** The file in DATA_DIR that names a directory outside of it. */
const locationName = 'postgres-location';

const homesOfRoot = '/var/lib/interview-agents-api';

/**
 * Finds the directory that belongs to a DATA_DIR, or makes it.
 * @param given DATA_DIR, absolute; it may lead through links
 * @throws StartError when DATA_DIR is a copy of another one
 */
export async function openHome(given: string, user: OsUser): Promise<Home> {
  await makeDirectory(given, user);
  const dataDir = await realpath(given);
  const directory = await findDirectory(dataDir, user);
  await makeDirectory(directory, user);
  if (dirname(directory) !== dataDir) await claim(directory, dataDir);
  const passwordFile = join(dataDir, 'postgres-password');
  const password = await readOrCreate(passwordFile, () => randomBytes(24).toString('hex'));
  const note = `the data is in ${directory}, since user ${user.name}, as whom PostgreSQL runs, cannot enter ${dataDir}`;
  const notes = dirname(directory) === dataDir ? [] : [note];
  return { dataDir, directory, password, passwordFile, user, notes };
}

/** A folder made as root has mode 0711: PostgreSQL's user can enter it. The secrets in it are files with mode 0600. */
async function makeDirectory(directory: string, user: OsUser): Promise<void> {
  const made = await mkdir(directory, { recursive: true });
  if (made !== undefined) await chmod(directory, user.ids ? 0o711 : 0o700);
}

/** `postgres` in DATA_DIR, or one outside, whose path is then kept in DATA_DIR. */
async function findDirectory(dataDir: string, user: OsUser): Promise<string> {
  const locationFile = join(dataDir, locationName);
  const outside = await readOptional(locationFile);
  if (outside !== undefined) return outside;
  const inside = join(dataDir, 'postgres');
  // Tried, not computed from the mode: access lists and mounts count too.
  const mayEnter = await runProgram(user, '/bin/sh', ['-c', 'cd "$1"', 'sh', dataDir]);
  if (mayEnter.succeeded || (await exists(inside))) return inside;
  const made = await mkdir(homesOfRoot, { recursive: true });
  if (made !== undefined) await chmod(homesOfRoot, 0o755);
  const name = join(homesOfRoot, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
  // One that exists is that of a DATA_DIR that was at this path before.
  const free = (await exists(name)) ? `${name}-${randomBytes(4).toString('hex')}` : name;
  return await readOrCreate(locationFile, () => free);
}

/**
 * Records the DATA_DIR of a directory outside of it, or that it was moved.
 * @throws StartError if this DATA_DIR is a copy: whoever means the copy would change the database of the original
 */
async function claim(directory: string, dataDir: string): Promise<void> {
  const ownerFile = join(directory, 'data-dir');
  const owner = await readOptional(ownerFile);
  if (owner === dataDir) return;
  if (owner !== undefined && (await readOptional(join(owner, locationName))) === directory) {
    throw new StartError(
      `DATA_DIR ${dataDir} is a copy of ${owner}, whose database is in ${directory}: ` +
        `delete ${join(dataDir, locationName)} for a database of its own`,
    );
  }
  await writeFile(ownerFile, dataDir, { mode: 0o600 });
}
