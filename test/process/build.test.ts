import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { build, runProgram } from '../support/process.ts';
import { makeRelease } from '../support/release.ts';

beforeAll(build);

test('what differs from what was built is built, also if it is older than the build; what does not differ is not', async () => {
  const release = await makeRelease({});
  const [source, compiled] = [join(release, 'src', 'errors.ts'), join(release, 'dist', 'errors.js')];
  const buildAgain = async () => {
    expect(await runProgram([join(release, 'scripts', 'build.mjs')])).toMatchObject({ code: 0, stdout: '' });
    return { text: await readFile(compiled, 'utf8'), at: (await stat(compiled)).mtimeMs };
  };
  const first = { text: await readFile(compiled, 'utf8'), at: (await stat(compiled)).mtimeMs };
  await utimes(source, new Date('2040-01-01'), new Date('2040-01-01'));
  expect(await buildAgain()).toEqual(first);

  // As `tar` and `rsync` leave the files of another release: with the times of its commit.
  await writeFile(source, `${await readFile(source, 'utf8')}export const release = 2;\n`);
  await utimes(source, new Date('2020-01-01'), new Date('2020-01-01'));
  await utimes(join(release, 'src'), new Date('2020-01-01'), new Date('2020-01-01'));
  const { text } = await buildAgain();
  expect(text).toContain('export const release = 2;');
});

test('a build asks no server of Prisma whether there is a newer release', async () => {
  const release = await makeRelease({});
  const env = { DEBUG: 'prisma:cli:checkpoint' };
  const { code, stderr } = await runProgram([join(release, 'scripts', 'build.mjs'), '--force'], { env });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('is disabled by the CHECKPOINT_DISABLE'),
  });
});
