import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, onTestFinished } from 'vitest';
import { type AtEnd, makeFolder, startProcess } from './process.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The project of an integrator, in a temporary folder, with this repository's packages. Call it at the top level of a file.
 * @param origin the server's address, which commands get as `API_URL`, unless they are given another
 * @param tsconfig the text of `tsconfig.json`
 */
export async function makeProject(origin: string, tsconfig: string) {
  const folder = await makeFolder(afterAll);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'tsconfig.json'), tsconfig);

  /** Runs commands in the project of an integrator, who has TypeScript 5 while this repository has 7. */
  function run(commands: string, env: Readonly<Record<string, string>> = {}, atEnd: AtEnd = onTestFinished) {
    // A URL, because NODE_OPTIONS would split a path at a space.
    const api = `--import ${pathToFileURL(join(root, 'scripts', 'typescript-api.mjs'))}`;
    const variables = { API_URL: origin, ...env, NODE_OPTIONS: api, npm_config_offline: 'true' };
    return startProcess(['bash', '-e', '-c', commands], { cwd: folder, env: variables, atEnd });
  }

  return { folder, run };
}
