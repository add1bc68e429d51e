// Builds dist/ if it is missing or older than its sources: `npm start` and `npm run admin` begin with this. Prints on
// stderr only, because stdout belongs to the command that follows.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'dist', '.built');
const sources = ['src', 'prisma', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'prisma.config.ts'];
const generated = join('src', 'generated');

const newest = (path) => {
  const stat = statSync(join(root, path));
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(join(root, path)).map((name) => join(path, name));
  return Math.max(stat.mtimeMs, ...inside.filter((name) => name !== generated).map(newest));
};
const run = (...command) => execFileSync(process.execPath, command, { cwd: root, stdio: ['ignore', 2, 2] });
const tool = (...path) => join(root, 'node_modules', ...path);

const isBuilt = existsSync(stamp) && statSync(stamp).mtimeMs >= Math.max(...sources.map(newest));
if (!isBuilt || process.argv.includes('--force')) {
  run(tool('prisma', 'build', 'index.js'), 'generate', '--no-hints');
  run(tool('typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json');
  writeFileSync(stamp, '');
}
