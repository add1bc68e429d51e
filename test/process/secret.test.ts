import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { fingerprintsOf } from '../../src/auth/api-key.ts';
import { apiKeyLifecycle } from '../../src/auth/key-lifecycle.repository.ts';
import { openAnotherServer } from '../support/another-server.ts';
import { send } from '../support/http.ts';
import { runOperator } from '../support/operator.ts';
import { build, makeDataDir, makeFolder, refusedStart, runProgram, startServer } from '../support/process.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld, type World } from '../support/world.ts';

const newSecret = () => randomUUID().repeat(2);

// A database for each test, because a database has one fingerprint.
const renewed = newSecret();
const worlds = {
  first: await openWorld(),
  withoutSecret: await openWorld(),
  changing: await openWorld({ previousSecret: renewed }),
  making: await openWorld(),
  older: await openWorld(),
  atOnce: await openWorld(),
};

beforeAll(build);

const recorded = async ({ sql }: World) => (await sql.query('SELECT id, fingerprint FROM secret_fingerprint')).rows;
const fingerprint = (secret: string) => fingerprintsOf({ secret }).current;
const keysOf = async ({ sql }: World) => (await sql.query('SELECT * FROM api_key ORDER BY id')).rows;

/** The status of a request with a key. On a slow machine a request may be answered 503, and is sent again. */
async function get(origin: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  const { status } = await send(origin, { method: 'GET', path: '/agents', headers });
  return status === 503 ? await get(origin, key) : status;
}

const otherSecret =
  'the API keys in this database are stored under another secret than API_KEY_SECRET and API_KEY_SECRET_PREVIOUS, which ' +
  'may be in the file .env: set the secret that its servers have, or, without DATABASE_URL, an empty one (API_KEY_SECRET=) ' +
  'for the one in DATA_DIR\n';
const otherGenerated =
  'the API keys in this database are stored under another secret than the one in the file api-key-secret in DATA_DIR: ' +
  'restore that file, or set API_KEY_SECRET\n';

type Secrets = Partial<Record<'DATA_DIR' | 'API_KEY_SECRET' | 'API_KEY_SECRET_PREVIOUS', string>>;

const start = ({ databaseUrl }: World, secrets: Secrets) =>
  refusedStart({ DATABASE_URL: databaseUrl, PORT: '0', ...secrets });

const admin = ({ ownerUrl }: World, secrets: Secrets, ...parameters: string[]) =>
  runOperator({ DATABASE_URL: ownerUrl, ...secrets }, parameters);

test('the first key stores 16 bits of a hash of its secret, and a server or command with another secret ends in one sentence', async () => {
  const world = worlds.first;
  expect(await recorded(world)).toEqual([]);
  const { id, keyId } = await world.company();
  const row = { id: 1, fingerprint: fingerprint(world.secret) };
  expect(row.fingerprint).toMatch(/^[0-9a-f]{4}$/);
  expect(await recorded(world)).toEqual([row]);
  const keys = await keysOf(world);

  const others = { API_KEY_SECRET: newSecret(), API_KEY_SECRET_PREVIOUS: newSecret() };
  expect(await start(world, others)).toEqual({ code: 1, stdout: '', stderr: otherSecret });
  const DATA_DIR = join(await makeFolder(), 'data');
  expect(await start(world, { DATA_DIR })).toEqual({ code: 1, stdout: '', stderr: otherGenerated });
  const making = [
    ['key', 'create', '--company', id],
    ['key', 'rotate', '--key', keyId],
  ];
  for (const command of making) {
    expect(await admin(world, others, ...command)).toEqual({ code: 1, stdout: '', stderr: `error: ${otherSecret}` });
  }
  expect([await recorded(world), await keysOf(world)]).toEqual([[row], keys]);
});

test('creating a key on DATABASE_URL needs API_KEY_SECRET, and commands that create no key need no secret', async () => {
  const world = worlds.withoutSecret;
  const { id, keyId } = await world.company();
  const keys = await keysOf(world);
  const missing = 'error: API_KEY_SECRET must be set beside DATABASE_URL to make a key: the secret of its servers\n';
  const making = [
    ['key', 'create', '--company', id],
    ['key', 'rotate', '--key', keyId],
  ];
  for (const command of making) {
    expect(await admin(world, {}, ...command)).toEqual({ code: 1, stdout: '', stderr: missing });
  }
  expect(await keysOf(world)).toEqual(keys);
  const listed = await admin(world, {}, 'key', 'list', '--company', id);
  expect(listed).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(listed.stdout)).toMatchObject([{ id: keyId }]);

  // As in the image, and in a checkout of another user: no secret is generated for a command that uses none.
  const folder = await makeFolder();
  const env = { NODE_ENV: 'production', DATABASE_URL: world.ownerUrl, DATA_DIR: join(folder, 'data') };
  const companies = await runProgram(['dist/admin.js', 'company', 'list'], { env });
  expect(companies).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(companies.stdout)).toEqual([{ id, name: 'Test company' }]);
  expect(await readdir(folder)).toEqual([]);
});

test('during a change of the secret, servers with both secrets in either order keep running, and the fingerprint is that of the secret in use', async () => {
  const world = worlds.changing;
  const old = world.secret;
  const { key } = await world.company();
  const [before, after] = [
    { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: old, API_KEY_SECRET_PREVIOUS: renewed },
    { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: renewed, API_KEY_SECRET_PREVIOUS: old },
  ];
  const servers = [await startServer(before), await startServer(after)];
  await servers[1]?.server.until(/(\{.*"keys":1,"msg":"keys need API_KEY_SECRET_PREVIOUS until they are used"\})/);
  for (const { origin } of servers) {
    expect(await get(origin, key)).toBe(200);
    // Written after the answer. A server that finds the row locked by another's write skips it, and tries again a minute later.
    await vi.waitUntil(async () => (await keysOf(world))[0]?.last_used_at !== null, { timeout: 60_000 });
  }
  const row = (secret: string) => [{ id: 1, fingerprint: fingerprint(secret) }];
  await vi.waitUntil(async () => (await recorded(world))[0]?.fingerprint === fingerprint(renewed), { timeout: 60_000 });
  const { origin: restarted } = await startServer(before);
  for (const origin of [...servers.map((server) => server.origin), restarted]) expect(await get(origin, key)).toBe(200);
  await vi.waitUntil(async () => (await recorded(world))[0]?.fingerprint === fingerprint(old), { timeout: 60_000 });
  const { server: last, origin } = await startServer(after);
  expect(await get(origin, key)).toBe(200);
  last.signal('SIGTERM');
  expect(await last.exit).toEqual({ code: 0, signal: null });
  expect(await recorded(world)).toEqual(row(renewed));

  expect(await start(world, { API_KEY_SECRET: old })).toEqual({ code: 1, stdout: '', stderr: otherSecret });
  const { server: again } = await startServer(after);
  await again.until(/(\{.*"keys":0,"msg":"no key needs API_KEY_SECRET_PREVIOUS"\})/);
  const alone = await startServer({ DATABASE_URL: world.databaseUrl, API_KEY_SECRET: renewed });
  expect(await get(alone.origin, key)).toBe(200);
});

test('a key that is created during the change updates the fingerprint, too', async () => {
  const world = worlds.making;
  const { id } = await world.company();
  const renewed = newSecret();
  const both = { API_KEY_SECRET: renewed, API_KEY_SECRET_PREVIOUS: world.secret };
  expect(await admin(world, both, 'key', 'create', '--company', id)).toMatchObject({ code: 0, stderr: '' });
  expect(await recorded(world)).toEqual([{ id: 1, fingerprint: fingerprint(renewed) }]);
});

test('if an older release stored no fingerprint, the first key that is found stores it, and creating a key does not', async () => {
  const world = worlds.older;
  const { id, key } = await world.company();
  await world.sql.query('DELETE FROM secret_fingerprint');
  const wrong = { API_KEY_SECRET: newSecret() };
  expect(await admin(world, wrong, 'key', 'create', '--company', id)).toMatchObject({ code: 0, stderr: '' });
  const other = await openAnotherServer(world, { secret: wrong.API_KEY_SECRET });
  expect(await get(other.origin, key)).toBe(401);
  expect(await recorded(world)).toEqual([]);
  expect(await get(world.origin, key)).toBe(200);
  await vi.waitUntil(async () => (await recorded(world)).length > 0, { timeout: 60_000 });
  expect(await recorded(world)).toEqual([{ id: 1, fingerprint: fingerprint(world.secret) }]);
  expect(await start(world, wrong)).toEqual({ code: 1, stdout: '', stderr: otherSecret });
});

test('of first keys that are created concurrently with different secrets, those of one secret are created and the others refused', async () => {
  const world = worlds.atOnce;
  const { id } = await world.companies.createCompany('Test company');
  const database = openLimited('patient', world.ownerUrl, 8);
  const secrets = Array.from({ length: 8 }, newSecret);
  const draft = { companyId: id, integrationId: null, name: null, scopes: [], allowedIps: [], expiresAt: null };
  const made = await Promise.allSettled(
    secrets.map((secret) => apiKeyLifecycle(database, { secret }, 'tester').create(draft)),
  );
  await database.close();
  const [winner] = await recorded(world);
  const expected = secrets.map((secret) => (fingerprint(secret) === winner?.fingerprint ? 'fulfilled' : 'rejected'));
  expect(made.map(({ status }) => status)).toEqual(expected);
  expect(await keysOf(world)).toHaveLength(expected.filter((status) => status === 'fulfilled').length);
});

test('where a .env has another secret than the one that an embedded database generated, the message says how to start with the latter', async () => {
  const cwd = await makeFolder();
  const DATA_DIR = await makeDataDir();
  const { server: first } = await startServer({ DATA_DIR }, { cwd });
  first.signal('SIGTERM');
  expect(await first.exit).toEqual({ code: 0, signal: null });
  await writeFile(join(cwd, '.env'), `API_KEY_SECRET=${newSecret()}\n`);
  const outcome = await refusedStart({ DATA_DIR, PORT: '0' }, { cwd });
  expect(outcome).toEqual({ code: 1, stdout: '', stderr: otherSecret });
  const { server: again } = await startServer({ DATA_DIR, API_KEY_SECRET: '' }, { cwd });
  again.signal('SIGTERM');
  expect(await again.exit).toEqual({ code: 0, signal: null });
});

test('a DATA_DIR that is a file is refused in one line', async () => {
  const file = join(await makeFolder(), 'a file');
  await writeFile(file, '');
  const env = { DATABASE_URL: worlds.first.databaseUrl, DATA_DIR: file };
  const line = `DATA_DIR ${file} is not a directory: name another one\n`;
  expect(await refusedStart(env)).toEqual({ code: 1, stdout: '', stderr: line });
  expect(await readFile(file, 'utf8')).toBe('');
});
