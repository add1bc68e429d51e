import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '../errors.ts';
import { readOptional } from '../process/read-or-create.ts';
import { makeOnce } from './files.ts';
import { type Home, openHome } from './home.ts';
import { chooseUser, lastLine, runProgram } from './os-user.ts';
import { findPrograms, type Programs } from './programs.ts';

/** A PostgreSQL cluster: a data directory and the programs that run it. */
export interface Cluster extends Home {
  readonly programs: Programs;
  /** PostgreSQL's data directory. */
  readonly data: string;
}

/**
 * Finds the cluster of a DATA_DIR, or makes it.
 * @throws StartError when it was made by another release or another user, or cannot be made
 */
export async function openCluster(dataDir: string): Promise<Cluster> {
  const home = await openHome(dataDir, await chooseUser());
  const programs = await findPrograms(home.directory, home.user);
  const cluster = { ...home, programs, data: join(home.directory, 'cluster') };
  await makeOnce(cluster.data, (draft) => initialise(draft, cluster));
  await requireUsable(cluster);
  return cluster;
}

async function initialise(draft: string, { user, programs, password, data }: Cluster): Promise<void> {
  const passwordFile = `${draft}.password`;
  try {
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (user.ids) for (const path of [draft, passwordFile]) await chown(path, user.ids.uid, user.ids.gid);
    const { succeeded, output } = await runProgram(user, join(programs.directory, 'initdb'), [
      `--pgdata=${draft}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ]);
    if (!succeeded) throw new StartError(`PostgreSQL's initdb fails for ${data}: ${lastLine(output)}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function requireUsable({ user, programs, data }: Cluster): Promise<void> {
  const owner = (await stat(data)).uid;
  const uid = user.ids?.uid ?? process.getuid?.();
  if (owner !== uid) {
    throw new StartError(
      `the cluster in ${data} belongs to user id ${owner}, but PostgreSQL would run as ${user.name} (${uid}): ` +
        'start as the user who made it, or name another DATA_DIR',
    );
  }
  const major = (await readOptional(join(data, 'PG_VERSION')))?.trim();
  if (major === programs.major) return;
  const maker = major === undefined ? 'not by PostgreSQL' : `by PostgreSQL ${major}`;
  throw new StartError(
    `the cluster in ${data} was made ${maker}, and this release brings ${programs.major}: ` +
      'name another DATA_DIR, or set DATABASE_URL',
  );
}
