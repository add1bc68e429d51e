import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arrowRules } from './arrows.ts';
import { lineRules } from './lines.ts';
import { nameRules } from './names.ts';
import { filesIn, sourcesOf } from './source.ts';

const rules = [...lineRules, ...arrowRules, ...nameRules];
const sources = filesIn('src');
const everywhere = ['src', 'test', 'bench', 'examples', 'deploy'].flatMap(filesIn);

/** Rules for all folders, not only for `src`. */
const global = ['Files have at most 200 lines', 'Of `embedded-postgres/` others import `embedded.ts` alone'];

describe.for(rules)('$says', ({ says, breaches, caught, kept }) => {
  test.for(caught)('is broken by %j', (project) => expect(breaches(sourcesOf(project))).not.toEqual([]));

  test.for(kept)('is kept by %j', (project) => expect(breaches(sourcesOf(project))).toEqual([]));

  test('is kept by the project', () => {
    const found = breaches(global.includes(says) ? everywhere : sources);
    expect(found).toEqual([]);
  });
});

const contributing = readFileSync(join(import.meta.dirname, '..', '..', 'CONTRIBUTING.md'), 'utf8');

test('CONTRIBUTING.md names every rule', () => {
  const text = contributing.replaceAll(/\s+/g, ' ');
  expect(rules.map(({ says }) => says).filter((says) => !text.includes(says))).toEqual([]);
});

test('every row and every item of the list in CONTRIBUTING.md has a rule', () => {
  const [, rooms = ''] = /^\| only these files([\s\S]*?)^## /m.exec(contributing) ?? [];
  const cells = [...rooms.matchAll(/^\| .* \| (.*) \|$/gm)].map(([, cell]) => cell);
  expect(cells).toEqual(expect.arrayContaining(lineRules.map(({ says }) => says)));
  expect(cells).toHaveLength(lineRules.length);
  const items = rooms.split(/^- /m).slice(1);
  const others = [...arrowRules, ...nameRules];
  const ofRule = (item: string) => others.some(({ says }) => item.replaceAll(/\s+/g, ' ').includes(says));
  expect(items.length).toBeGreaterThan(5);
  expect(items.filter((item) => !ofRule(item))).toEqual([]);
});

test('CONTRIBUTING.md says what each folder of src is for', () => {
  const [, table = ''] = /^\| folder of `src\/`([\s\S]*?)\n\n/m.exec(contributing) ?? [];
  const told = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) => cell.match(/[a-z-]+(?=\/)/g) ?? []);
  const folders = readdirSync(join(import.meta.dirname, '..', '..', 'src'), { withFileTypes: true });
  expect(told.toSorted()).toEqual(
    folders
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted(),
  );
});
