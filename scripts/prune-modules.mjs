// Removes the files in node_modules that no program of dist/ loads, for a container image. Run it after `npm run build`
// and `npm prune --omit=dev --omit=optional`; afterwards nothing can be built in the folder.
//
// @prisma/client contains a query compiler for each kind of database in several forms, 72 MB; the generated client
// loads one of them. Type declarations and source maps are for development.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const runtime = join(modules, '@prisma', 'client', 'runtime');

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
const size = (files) => Math.round(files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6);

const generated = filesIn(join(root, 'dist', 'generated', 'prisma')).filter((file) => file.endsWith('.js'));
const named = generated.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/["'](@prisma\/client\/runtime\/[^"']+)["']/g)].map(([, name]) => name),
);
if (named.length === 0) throw new Error('dist/generated/prisma loads nothing of @prisma/client: build first');
const loaded = new Set(named.map((name) => fileURLToPath(import.meta.resolve(name))));

const all = filesIn(modules);
const unused = all.filter(
  (file) => (file.startsWith(runtime) && !loaded.has(file)) || /\.(d\.[cm]?ts|map)$/.test(file),
);
const before = size(all);
for (const file of unused) rmSync(file);
console.log(`node_modules: ${before} MB, now ${size(filesIn(modules))} MB`);
