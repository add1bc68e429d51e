import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

interface Half {
  readonly file: string;
  /** A text of the file, and what is inserted before it. */
  readonly place: string;
  readonly added: string;
  /** The file in which the compiler then reports the missing part. */
  readonly errorIn: string;
}

/** Changes that need a second change elsewhere. */
const halves: Readonly<Record<string, Half>> = {
  'a filter of the list in the schema, without its SQL': {
    file: 'src/agents/request.schema.ts',
    place: '  language: Type.Optional(',
    added: "  voiceId: Type.Optional({ ...fields.voiceId.schema, description: 'Agents with this voice' }),\n",
    errorIn: 'src/agents/statements.ts',
  },
  'a scope, without a decision whether existing keys have it': {
    file: 'src/auth/api-key.ts',
    place: "  'delete:agents': {",
    added: "  'export:agents': {},\n",
    errorIn: 'src/auth/api-key.ts',
  },
};

/** A copy of the sources with all of these changes. */
async function copyWithHalves(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'traps-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of ['tsconfig.json', 'package.json', 'src']) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, place, added } of Object.values(halves)) {
    const text = await readFile(join(folder, file), 'utf8');
    expect(text.split(place), file).toHaveLength(2);
    await writeFile(join(folder, file), text.replace(place, added + place));
  }
  return folder;
}

/** The files in which the compiler reports errors, each once. */
function filesWithErrors(cwd: string): Promise<Set<string>> {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, '--noEmit', '--pretty', 'false'], { cwd }, (_, output) =>
      resolve(new Set([...output.matchAll(/^(\S+)\(\d+,\d+\): error/gm)].map(([, name = '']) => name))),
    );
  });
}

test(`the compiler refuses ${Object.keys(halves).join(', and ')}`, async () => {
  const errors = await filesWithErrors(await copyWithHalves());
  expect([...errors].toSorted()).toEqual(Object.values(halves).map(({ errorIn }) => errorIn));
});
