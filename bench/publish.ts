import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { plot } from './plot.ts';
import { type Results, resultsSchema, type Soak, soakSchema } from './results.ts';
import { sentenceOf } from './targets.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The marks around the generated sentence in the README. */
const inReadme = /(?<=<!-- bench -->)[\s\S]*?(?=<!-- \/bench -->)/;

/** The results in the repository; undefined if there are none, or if they are of an older form. */
export async function readResults(): Promise<Results | undefined> {
  const known = await readFileOfResults();
  return Value.Check(resultsSchema, known) ? known : undefined;
}

/** The soak in the repository, even if the results around it are of an older form. */
export async function readSoak(): Promise<Soak | undefined> {
  const known = await readFileOfResults();
  return Value.Check(Type.Object({ soak: soakSchema }), known) ? known.soak : undefined;
}

async function readFileOfResults(): Promise<unknown> {
  return JSON.parse(await readFile(file('results.json'), 'utf8').catch(() => 'null'));
}

/**
 * Writes results and their plot: to this folder, with the sentence in the README, or to `.out`.
 * @param complete only a complete run replaces the results in the repository
 * @returns the folder
 */
export async function publish(results: Results, complete: boolean): Promise<string> {
  const folder = complete ? '.' : '.out';
  await mkdir(file(folder), { recursive: true });
  await writeFile(file(`${folder}/results.json`), `${JSON.stringify(results, undefined, 2)}\n`);
  await writeFile(file(`${folder}/results.svg`), plot(results));
  if (complete) {
    const readme = await readFile(file('../README.md'), 'utf8');
    await writeFile(
      file('../README.md'),
      readme.replace(inReadme, () => sentenceOf(results.targets)),
    );
  }
  return file(folder);
}
