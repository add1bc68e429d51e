import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './connection.ts';
import { makeFolder, runToEnd } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

/** The content of a release. */
export const parts = [
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'prisma.config.ts'],
  ...['scripts', 'prisma', 'src'],
];

/** Scripts of migrations, by folder name. */
export type Migrations = Readonly<Record<string, string>>;

/**
 * Makes and builds a copy of this checkout with further migrations: another release. Removed with the test.
 * @returns its folder, in which the commands of `package.json` can be run
 */
export async function makeRelease(migrations: Migrations): Promise<string> {
  const folder = await makeFolder();
  for (const name of [...parts, 'dist']) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeMigrations(folder, migrations);
  return folder;
}

/** Adds migrations to a release, or replaces their scripts. */
export async function writeMigrations(release: string, migrations: Migrations): Promise<void> {
  for (const [name, script] of Object.entries(migrations)) {
    await mkdir(join(release, 'prisma', 'migrations', name), { recursive: true });
    await writeFile(join(release, 'prisma', 'migrations', name, 'migration.sql'), script);
  }
}

/**
 * Builds a release from its commit, with the packages of today. Removed with the test.
 * @returns its folder
 * @throws if the clone lacks the commit
 */
export async function buildCommit(commit: string): Promise<string> {
  const known = await runToEnd(['git', 'cat-file', '-e', `${commit}^{commit}`]);
  if (known.code !== 0) {
    throw new Error(`this clone lacks the commit ${commit}, the release before: git fetch --unshallow brings it`);
  }
  const folder = await makeFolder();
  const archive = `git archive ${commit} ${parts.join(' ')} | tar -x -C ${folder}`;
  const unpacked = await runToEnd(['sh', '-euc', archive]);
  if (unpacked.code !== 0) throw new Error(unpacked.stderr);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const built = await runToEnd([process.execPath, 'scripts/build.mjs', '--force'], { cwd: folder });
  if (built.code !== 0) throw new Error(built.stderr);
  return folder;
}

type Ended = Awaited<ReturnType<typeof runToEnd>>;

/**
 * Migrates a database that is under load: again, as docs/upgrade.md says, after a migration that gave up because a table was
 * not free within its `lock_timeout`.
 * @param ownerUrl of the database, in which the failed migration is marked
 */
export async function migrateUnderLoad(ownerUrl: string, migrate: () => Promise<Ended>): Promise<Ended> {
  for (;;) {
    const ended = await migrate();
    const [, update] =
      /lock timeout" \(55P03\).*: once its cause is gone, run (.*); then migrate again/.exec(ended.stderr) ?? [];
    if (update === undefined) return ended;
    await run(ownerUrl, update);
  }
}
