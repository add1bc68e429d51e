import { randomBytes } from 'node:crypto';
import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../start-error.ts';
import { type Binaries, prepareBinaries } from './binaries.ts';
import { errorCode, exists, type Home, readOptional } from './home.ts';
import { lastLine, run } from './user.ts';

/** A set of databases on disk. */
export interface Cluster {
  readonly home: Home;
  readonly binaries: Binaries;
  /** PostgreSQL's data directory. */
  readonly directory: string;
}

/**
 * Finds the cluster of a home, or makes it.
 * @throws StartError when it was made by another release or another user, or cannot be made
 */
export async function openCluster(home: Home): Promise<Cluster> {
  const cluster: Cluster = { home, binaries: await prepareBinaries(home), directory: join(home.directory, 'cluster') };
  if (!(await exists(cluster.directory))) await createCluster(cluster);
  await checkCluster(cluster);
  return cluster;
}

/** Made beside its place and renamed: of two first starts at once one wins, and no half-made cluster is ever used. */
async function createCluster(cluster: Cluster): Promise<void> {
  const { home, directory } = cluster;
  const draft = `${directory}.${randomBytes(6).toString('hex')}`;
  const passwordFile = `${draft}.password`;
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(passwordFile, home.password, { mode: 0o600, flag: 'wx' });
    if (home.user.ids) {
      for (const path of [draft, passwordFile]) await chown(path, home.user.ids.uid, home.user.ids.gid);
    }
    const outcome = await run(home.user, cluster.binaries.initdb, initialisation(draft, passwordFile));
    if (outcome.code !== 0) throw new StartError(`PostgreSQL's initdb fails: ${lastLine(outcome.output)}`);
    await rename(draft, directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error;
  } finally {
    await Promise.all([draft, passwordFile].map((path) => rm(path, { recursive: true, force: true })));
  }
}

function initialisation(directory: string, passwordFile: string): string[] {
  return [
    `--pgdata=${directory}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
}

async function checkCluster({ home, binaries, directory }: Cluster): Promise<void> {
  const owner = (await stat(directory)).uid;
  const user = home.user.ids?.uid ?? process.getuid?.();
  if (owner !== user) {
    throw new StartError(
      `the cluster in ${directory} belongs to user id ${owner}, but PostgreSQL would run as ${home.user.name} (${user}): ` +
        'start as the user who made it, or name another DATA_DIR',
    );
  }
  const major = (await readOptional(join(directory, 'PG_VERSION')))?.trim();
  if (major === binaries.major) return;
  const maker = major === undefined ? 'not by PostgreSQL' : `by PostgreSQL ${major}`;
  throw new StartError(
    `the cluster in ${directory} was made ${maker}, and this release brings ${binaries.major}: ` +
      'name another DATA_DIR, or set DATABASE_URL',
  );
}
