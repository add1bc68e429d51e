import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { emptyDatabase } from '../support/empty-database.ts';
import { send } from '../support/http.ts';
import { newSubject } from '../support/patch-agent.ts';
import { build, makeFolder, runToEnd, startServer } from '../support/process.ts';
import { repeatedIfLate } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

// Without Docker: the folder of the image is made by the steps of the Dockerfile.
const root = join(import.meta.dirname, '..', '..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');

const world = await openWorld();
beforeAll(build);

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: true; readonly optional?: true; readonly devOptional?: true }>
  >;
}

/** The packages that `npm prune --omit=dev --omit=optional` keeps. */
function productionModules(): string[] {
  const { packages }: Lock = JSON.parse(read('package-lock.json'));
  const kept = Object.entries(packages).filter(
    ([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional,
  );
  // Nested packages come with the package that contains them.
  return kept.map(([path]) => path).filter((path) => path.lastIndexOf('node_modules/') === 0);
}

/** The files that the last stage of the Dockerfile copies from the one before. */
const copied = [...read('Dockerfile').matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map(([, path = '']) => path);

/** The folder of the image before its modules are pruned. */
async function makeImage(): Promise<string> {
  const folder = await makeFolder();
  const paths = copied.filter((path) => path !== 'node_modules');
  for (const path of [...paths, 'scripts', ...productionModules()]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(root, path), join(folder, path), { recursive: true });
  }
  return folder;
}

const megabytes = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .filter((stat) => stat.isFile())
    .reduce((sum, { size }) => sum + size, 0) / 1e6;

test('the modules of the image are under 40 MB, and migrate, the command line and the server run with them', async () => {
  const cwd = await makeImage();
  const pruned = await runToEnd([process.execPath, 'scripts/prune-modules.mjs'], { cwd });
  expect(pruned).toMatchObject({ code: 0, stderr: '' });
  expect(megabytes(join(cwd, 'node_modules'))).toBeLessThan(40);
  const run = (script: string, parameters: readonly string[], DATABASE_URL: string) =>
    runToEnd([process.execPath, `dist/${script}.js`, ...parameters], {
      cwd,
      env: { DATABASE_URL, API_KEY_SECRET: world.secret, NODE_ENV: 'production' },
    });

  const empty = await emptyDatabase();
  const migrated = await run('migrate', [], empty);
  expect(migrated.code, migrated.stderr).toBe(0);
  const created = await run('admin', ['company', 'create', '--name', 'Ours'], empty);
  expect(created.code, created.stderr).toBe(0);
  expect(JSON.parse(created.stdout)).toMatchObject({ name: 'Ours' });

  const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, NODE_ENV: 'production' };
  const { server, origin } = await startServer({ ...env, REDIS_URL: 'redis://127.0.0.1:1' }, { release: cwd });
  const { key, id } = await newSubject(world);
  const authorization = `Bearer ${key}`;
  const headers = { authorization, 'content-type': 'application/json' };
  const change = { path: `/agents/${id}`, headers, body: '{"duration":44}' };
  const answer = await repeatedIfLate(() => send(origin, change));
  expect(answer).toMatchObject({ status: 200, body: { duration: 44 } });
  for (const path of ['/health/ready', '/docs/', '/openapi.json', `/agents/${id}/versions`, '/agents']) {
    const { status } = await repeatedIfLate(() => send(origin, { method: 'GET', path, headers: { authorization } }));
    expect([path, status]).toEqual([path, 200]);
  }
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

test('the Dockerfile prunes in the build stage, and every file that it copies exists', () => {
  const [building = '', running = ''] = read('Dockerfile')
    .split(/^FROM .*\n/m)
    .slice(1);
  expect(building).toMatch(/npm run build && npm prune --omit=dev --omit=optional && node scripts\/prune-modules.mjs/);
  expect(running).not.toContain('scripts');
  const allowed = read('.dockerignore').split('\n');
  for (const path of copied.filter((name) => !['node_modules', 'dist'].includes(name))) {
    expect(allowed).toContain(`!${path}`);
  }
});
