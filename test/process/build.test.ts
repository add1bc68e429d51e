import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { build, runProgram } from '../support/process.ts';
import { makeRelease } from '../support/release.ts';

beforeAll(build);

test('what differs from what was built is built, older than the build or not, and Prisma is asked for no newer release; what does not differ is not', async () => {
  const release = await makeRelease({});
  const [source, compiled] = [join(release, 'src', 'errors.ts'), join(release, 'dist', 'errors.js')];
  const env = { DEBUG: 'prisma:cli:checkpoint' };
  const buildAgain = async () => {
    const { code, stdout, stderr } = await runProgram([join(release, 'scripts', 'build.mjs')], { env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    return { text: await readFile(compiled, 'utf8'), at: (await stat(compiled)).mtimeMs, stderr };
  };
  const first = { text: await readFile(compiled, 'utf8'), at: (await stat(compiled)).mtimeMs };
  await utimes(source, new Date('2040-01-01'), new Date('2040-01-01'));
  expect(await buildAgain()).toEqual({ ...first, stderr: '' });

  // As `tar` and `rsync` leave the files of another release: with the times of its commit.
  await writeFile(source, `${await readFile(source, 'utf8')}export const release = 2;\n`);
  await utimes(source, new Date('2020-01-01'), new Date('2020-01-01'));
  await utimes(join(release, 'src'), new Date('2020-01-01'), new Date('2020-01-01'));
  const { text, stderr } = await buildAgain();
  expect(text).toContain('export const release = 2;');
  expect(stderr).toContain('runCheckpointClientCheck() is disabled by the CHECKPOINT_DISABLE env var.');
});
