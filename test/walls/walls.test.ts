import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

interface SourceFile {
  readonly name: string;
  readonly lines: readonly string[];
}

const filesIn = (folder: string): readonly SourceFile[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^(generated|\.)/.test(name))
    .map((name) => ({
      name: `${folder}/${name}`,
      lines: readFileSync(join(root, folder, name), 'utf8').split('\n'),
    }));

const sources = filesIn('src');

/** What a line may say only in some rooms; the first two columns of CONTRIBUTING's room table that are marked *. */
const walls: readonly { readonly says: string; readonly pattern: RegExp; readonly rooms: RegExp }[] = [
  {
    says: 'process.env, process.on, listen',
    pattern: /\bprocess\.(env|on|once)\b|\bapp\.listen\(/,
    rooms: /^src\/(server|admin|migrate|embedded-postgres\/embedded)\.ts$/,
  },
  { says: '.register(', pattern: /\.register\(/, rooms: /^src\/app\.ts$|\.routes\.ts$/ },
  { says: 'fp(, decorate, addHook', pattern: /\bfp\(|\.decorate\w*\(|\.addHook\(/, rooms: /^src\/plugins\// },
  {
    says: 'Type.',
    pattern: /\bType\.[A-Z]/,
    rooms: /\.schema\.ts$|^src\/(config|errors|faults)\.ts$/,
  },
  {
    says: 'SQL',
    pattern: /\b(SELECT|INSERT INTO|UPDATE [a-z]|DELETE FROM|ALTER (ROLE|TABLE)|GRANT )/,
    rooms: /\.(repository|statements|lifecycle)\.ts$|^src\/(database|embedded-postgres)\//,
  },
  {
    says: 'the libraries of rate limits',
    pattern: /from '(rate-limiter-flexible|ioredis)'/,
    rooms: /^src\/rate-limits\//,
  },
  { says: 'the library of metrics', pattern: /from 'prom-client'/, rooms: /^src\/metrics\// },
  {
    says: 'a Prisma type, or companyId in a where',
    pattern: /generated\/prisma|@prisma\/|where: \{[^}]*companyId/,
    rooms: /\.repository\.ts$|^src\/database\//,
  },
];

for (const { says, pattern, rooms } of walls) {
  test(`only ${rooms.source} may say ${says}`, () => {
    const strays = sources
      .filter(({ name }) => !rooms.test(name))
      .flatMap(({ name, lines }) =>
        lines.flatMap((line, at) => (pattern.test(line) ? [`${name}:${at + 1} ${line}`] : [])),
      );
    expect(strays).toEqual([]);
    // A wall around nothing would never fall.
    expect(sources.some(({ name, lines }) => rooms.test(name) && lines.some((line) => pattern.test(line)))).toBe(true);
  });
}

test('the pure files import no framework and no database', () => {
  const pure =
    /^src\/(agents\/(agent\.(patch|fold|replay|diff)|metadata)|api-keys\/api-key|address|errors|faults|idempotency|json|entity-tag|uuid)\.ts$/;
  const judged = sources.filter(({ name }) => pure.test(name));
  expect(judged).toHaveLength(13);
  const strays = judged.flatMap(({ name, lines }) =>
    lines
      .filter((line) => /from '(fastify|@fastify|pg|@prisma|.*\/(database|plugins|generated)\/)/.test(line))
      .map((line) => `${name} ${line}`),
  );
  expect(strays).toEqual([]);
});

test('arrows point from the edges inwards', () => {
  const rank = (name: string) => ranks.findIndex((pattern) => pattern.test(name));
  const ranks = [
    /^src\/(server|admin|migrate)\.ts$/,
    /^src\/(app|demo|foundation|logger)\.ts$|^src\/operator\//,
    /^src\/plugins\/|\.routes\.ts$/,
    /\.service\.ts$/,
    /\.(repository|change|batch|lifecycle)\.ts$/,
    /^src\/(database|embedded-postgres)\//,
    /./,
  ];
  const strays = sources.flatMap(({ name, lines }) =>
    lines
      .flatMap((line) => /from '(\.[^']+)'/.exec(line)?.[1] ?? [])
      .map((target) => relative(root, join(root, name, '..', target)))
      .filter((target) => rank(target) < rank(name))
      .map((target) => `${name} imports ${target}`),
  );
  expect(strays).toEqual([]);
});

test('of the embedded PostgreSQL only embedded.ts is imported from outside', () => {
  const strays = ['src', 'test', 'bench', 'examples', 'deploy']
    .flatMap(filesIn)
    .filter(({ name }) => !name.startsWith('src/embedded-postgres/'))
    .flatMap(({ name, lines }) =>
      lines
        .filter((line) => /from '.*\/embedded-postgres\/(?!embedded\.ts')/.test(line))
        .map((line) => `${name} ${line}`),
    );
  expect(strays).toEqual([]);
});

test('every file fits in the head: at most 200 lines, or its first comment says why', () => {
  const all = ['src', 'test', 'bench', 'examples', 'deploy'].flatMap(filesIn);
  const long = all.filter(({ lines }) => lines.length > 201 && !/\b200 lines\b/.test(lines.slice(0, 15).join('\n')));
  expect(long.map(({ name, lines }) => `${name}: ${lines.length}`)).toEqual([]);
});
