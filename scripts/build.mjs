// Builds dist/ unless it was built from exactly these sources: `npm start` and `npm run admin` begin with this. Prints on
// stderr only, because stdout belongs to the command that follows.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Holds the digest of the sources from which dist/ was built. */
const stamp = join(root, 'dist', '.built');
// Not prisma/migrations: they are read when they are applied.
const sources = [
  'src',
  'prisma/schema.prisma',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'prisma.config.ts',
];
const generated = join('src', 'generated');

/** All files at or below a path, in the same order on every machine. */
const filesIn = (path) =>
  statSync(join(root, path)).isDirectory()
    ? readdirSync(join(root, path))
        .sort()
        .map((name) => join(path, name))
        .filter((inside) => inside !== generated)
        .flatMap(filesIn)
    : [path];
// By content: the files of an unpacked release may be older than a build of the release before.
const digest = createHash('sha256');
for (const file of sources.flatMap(filesIn)) {
  const content = readFileSync(join(root, file));
  digest.update(`${file} ${content.length}\n`).update(content);
}
const built = digest.digest('hex');

const run = (...command) => execFileSync(process.execPath, command, { cwd: root, stdio: ['ignore', 2, 2] });
const tool = (...path) => join(root, 'node_modules', ...path);

const isBuilt = existsSync(stamp) && readFileSync(stamp, 'utf8') === built;
if (!isBuilt || process.argv.includes('--force')) {
  // A build that is interrupted leaves dist/ without a stamp.
  rmSync(stamp, { force: true });
  run(tool('prisma', 'build', 'index.js'), 'generate', '--no-hints');
  run(tool('typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json');
  writeFileSync(stamp, built);
}
