import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

/** Scripts of migrations, by the names of their folders. */
export type Migrations = Readonly<Record<string, string>>;

/**
 * A copy of this checkout, built, with more migrations than it has: another release. Gone with the test.
 * @returns its folder, in which the commands of `package.json` can be run
 */
export async function makeRelease(migrations: Migrations): Promise<string> {
  const folder = await makeFolder();
  const parts = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'prisma.config.ts'];
  for (const name of [...parts, 'scripts', 'prisma', 'src', 'dist']) {
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
  // Built after all of that was written.
  await writeFile(join(release, 'dist', '.built'), '');
}
