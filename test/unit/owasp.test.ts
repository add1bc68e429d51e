import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const [, ...items] = readFileSync(join(root, 'docs', 'owasp.md'), 'utf8').split(/^## /m);

test('docs/owasp.md has the ten items of the OWASP API Security Top 10, in order', () => {
  expect(items.map((item) => item.split(' ', 1)[0])).toEqual(
    Array.from({ length: 10 }, (_, at) => `API${at + 1}:2023`),
  );
});

test.for(items.map((item) => ({ name: item.split('\n', 1)[0] ?? '', item })))(
  'the tests that docs/owasp.md names for $name exist',
  ({ item }) => {
    const bullets = item.split('\n').filter((line) => line.startsWith('- '));
    const missing = bullets.filter((bullet) => {
      const [, title, file] = /^- (.+) \(`(test\/\S+\.test\.ts)`\)$/.exec(bullet) ?? [];
      if (title === undefined || file === undefined) return true;
      const text = readFileSync(join(root, file), 'utf8');
      return !["'", '`'].some((quote) => text.includes(quote + title + quote));
    });
    expect(bullets.length).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  },
);
