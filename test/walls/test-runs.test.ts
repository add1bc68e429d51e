import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { filesIn, importsOf, type SourceFile, sourcesOf } from './source.ts';

const testRun = 'test/support/test-run.ts';

/** The suites that use the folder of a test run, directly or by an import, and those of them that do not make it. */
function suitesOf(files: readonly SourceFile[]) {
  const byName = new Map(files.map((file) => [file.name, file]));
  function usesRun(name: string, seen = new Set<string>()): boolean {
    const file = byName.get(name);
    if (!file || seen.has(name)) return false;
    seen.add(name);
    return name === testRun || importsOf(file).some((imported) => usesRun(imported, seen));
  }
  const setupOf = ({ lines }: SourceFile) => /\bglobalSetup: '(.*)'/.exec(lines.join('\n'))?.[1] ?? '';
  const users = files
    .filter(({ name }) => name.endsWith('/vitest.config.ts'))
    .filter(({ name }) => files.some((file) => file.name.startsWith(`${dirname(name)}/`) && usesRun(file.name)));
  const without = users.filter((config) => !usesRun(setupOf(config)));
  return { users: users.map(({ name }) => name), without: without.map(({ name }) => name) };
}

test('every suite that starts processes or makes folders is a test run, which ends and deletes them', () => {
  const { users, without } = suitesOf(['src', 'test', 'deploy'].flatMap(filesIn));
  expect(users.length).toBeGreaterThan(8);
  expect(without).toEqual([]);
});

test('a suite is found that starts processes and is no test run', () => {
  const support = { [testRun]: '', 'test/support/process.ts': "import { inTestRun } from './test-run.ts';" };
  const imports = "import { startProcess } from '../support/process.ts';";
  const project = {
    ...support,
    'test/ended/vitest.config.ts': "globalSetup: 'test/support/process.ts',",
    'test/ended/a.test.ts': imports,
    'test/left/vitest.config.ts': "include: ['test/left/*.test.ts'],",
    'test/left/a.test.ts': imports,
    'test/pure/vitest.config.ts': '',
    'test/pure/a.test.ts': "import { expect } from 'vitest';",
  };
  expect(suitesOf(sourcesOf(project))).toEqual({
    users: ['test/ended/vitest.config.ts', 'test/left/vitest.config.ts'],
    without: ['test/left/vitest.config.ts'],
  });
});
