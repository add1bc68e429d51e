import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { fields } from '../../src/agents/fields.ts';
import { ofNewcomers, perKey, perOwner } from '../../src/auth/concurrency-limits.ts';
import { environmentSchema } from '../../src/config.ts';
import { longest } from '../../src/http/deadline.ts';
import { problems } from '../../src/http/problems.ts';
import { leftForStatements } from '../../src/http/turns.ts';
import { restoreCheck } from '../support/docs.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');

/** The rows of the table of variables, as cells. */
function variableRows(): string[][] {
  const [, text = ''] = /<!-- variables -->\n([\s\S]*?)<!-- \/variables -->/.exec(read('docs/operate.md')) ?? [];
  const rows = text.trim().split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('the README lists exactly the codes of the catalogue, each under its status', () => {
  const [, text = ''] = /<!-- codes -->\n([\s\S]*?)<!-- \/codes -->/.exec(read('README.md')) ?? [];
  const listed = [...text.matchAll(/(\d{3})((?:\s`[A-Z_]+`)+)/g)].flatMap(([, status, codes = '']) =>
    [...codes.matchAll(/[A-Z_]+/g)].map(([code]) => [code, Number(status)]),
  );
  expect(Object.fromEntries(listed)).toEqual(
    Object.fromEntries(Object.entries(problems).map(([code, { status }]) => [code, status])),
  );
});

test('docs/operate.md lists exactly the variables of the schema, with their defaults', () => {
  const { NODE_ENV, ...variables } = environmentSchema.properties;
  const listed = variableRows().map(([name, value]) => [name?.replaceAll('`', ''), value]);
  const explained = {
    DATABASE_URL: 'embedded',
    API_KEY_SECRET: 'generated in `DATA_DIR`',
    API_KEY_SECRET_PREVIOUS: 'none',
    REDIS_URL: 'none',
    METRICS_PORT: 'none',
    PUBLIC_URL: 'none',
    TRUST_PROXY: 'none',
    WEBHOOK_ALLOW_NETWORKS: 'none',
  };
  const expected = Object.entries(variables).map(([name, { default: value }]) => [name, `\`${value}\``]);
  expect(Object.fromEntries(listed)).toEqual({ ...Object.fromEntries(expected), ...explained });
});

test('docs/contract.md says how many requests run at once and wait, and for how long', () => {
  const text = read('docs/contract.md').replaceAll(/\s+/g, ' ');
  const count = (many: number) => many.toLocaleString('en');
  const seconds = (milliseconds: number) => `${milliseconds / 1_000} seconds`;
  for (const part of [
    `On each server at most ${perOwner.running} requests of one company or integration run at once, and of one key ${perKey.running} large`,
    `More wait, up to ${count(perOwner.waiting)} and ${perKey.waiting};`,
    `turn comes more than ${seconds(longest - leftForStatements)} after it arrived, or has not come after ${seconds(longest)},`,
    `at most ${ofNewcomers.running} such requests`,
  ]) {
    expect(text).toContain(part);
  }
});

test('no entry of the changelog repeats another one', () => {
  const [, text = ''] = /^## \[Unreleased\]\n([\s\S]*)/m.exec(read('CHANGELOG.md')) ?? [];
  const entries = text
    .split(/^- /m)
    .slice(1)
    .map((entry) => entry.replaceAll(/\s+/g, ' ').trim());
  expect(entries.length).toBeGreaterThan(50);
  const repeated = (entry: string, place: number) =>
    entries.some((other, otherPlace) => otherPlace !== place && other.startsWith(entry));
  expect(entries.filter(repeated)).toEqual([]);
});

test('every npm command that README and CONTRIBUTING name is a script of the package', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
  const named = [
    ...`${read('README.md')}${read('CONTRIBUTING.md')}`.matchAll(/npm (?:run (?:--silent )?)?([a-z][a-z:]*)/g),
  ]
    .map(([, name = '']) => name)
    .filter((name) => !['ci', 'install', 'view'].includes(name));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('every file and folder that README and CONTRIBUTING link to exists', () => {
  const targets = [...`${read('README.md')}${read('CONTRIBUTING.md')}`.matchAll(/\]\((?!https?:)([^)#]+)\)/g)];
  expect(targets.length).toBeGreaterThan(5);
  expect(targets.map(([, target = '']) => target).filter((target) => !existsSync(join(root, target)))).toEqual([]);
});

test('every file that CONTRIBUTING names exists', () => {
  const folders = ['', 'src/'];
  const files = ['src', 'test', 'prisma'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => basename(name)),
  );
  const named = [...read('CONTRIBUTING.md').matchAll(/`([\w./-]+(?:\.(?:ts|md|prisma|json)|\/))`/g)].map(
    ([, name = '']) => name,
  );
  expect(named.length).toBeGreaterThan(30);
  const isThere = (name: string) =>
    folders.some((folder) => existsSync(join(root, folder, name))) || (!name.includes('/') && files.includes(name));
  expect(named.filter((name) => !isThere(name))).toEqual([]);
});

test('every test file that docs/trust.md names exists', () => {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((name) => `test/${name}`);
  const named = [...read('docs/trust.md').matchAll(/`([\w*./-]+\.test\.ts)`/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(50);
  const isThere = (name: string) => {
    const path = new RegExp(`(^|/)${name.replaceAll('.', String.raw`\.`).replaceAll('*', '[^/]+')}$`);
    return files.some((file) => path.test(file));
  };
  expect(named.filter((name) => !isThere(name))).toEqual([]);
});

test('the excerpts of a day with the API in docs/client.md are in the example, in the same order', () => {
  const [, shown = ''] = /^## A day with the API\n[\s\S]*?```ts\n([\s\S]*?)\n```/m.exec(read('docs/client.md')) ?? [];
  const example = read('examples/a-day-with-the-api.ts');
  const places = shown.split('\n\n').map((part) => example.indexOf(`\n${part}\n`));
  expect(places.length).toBeGreaterThan(5);
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test('the check of docs/backup.md compares every field of an agent with the history', () => {
  const statement = restoreCheck();
  for (const [name, { column }] of Object.entries(fields)) expect(statement).toContain(`'${name}', a.${column}`);
});

test('docs/backup.md stops the servers before it reads what has to be done once more, so that the trail is complete', () => {
  const text = read('docs/backup.md');
  const [stop, trail] = [text.search(/stop all servers/i), text.indexOf('--set=since=')];
  expect(stop).toBeGreaterThan(text.indexOf('## Check'));
  expect(trail).toBeGreaterThan(stop);
});

test('docs/high-availability.md says how many servers fit into the connections of PostgreSQL, and how many while they are upgraded', () => {
  const { default: pool } = environmentSchema.properties.DATABASE_POOL;
  const text = read('docs/high-availability.md').replaceAll(/\s+/g, ' ');
  const parts = `Servers × (\`DATABASE_POOL\` + 1), and ten for Patroni, replication and the command line, must fit into \`max_connections\` (100), of which \`superuser_reserved_connections\` (3) are not for servers.`;
  expect(text).toContain(parts);
  expect(Math.floor((100 - 3 - 10) / (Number(pool) + 1))).toBe(7);
  expect(text).toContain('Seven servers fit, or six and one that starts beside them during an upgrade.');
});
