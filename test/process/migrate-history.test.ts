import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { connect, run } from '../support/connection.ts';
import { emptyDatabase, namesInFolder } from '../support/empty-database.ts';
import { build, runProgram, startProcess } from '../support/process.ts';
import { type Migrations, makeRelease, writeMigrations } from '../support/release.ts';

const nothing = 'nothing to apply: the database is up to date, and the role in DATABASE_URL has its settings';

const ourNames = await namesInFolder();
const applied = (names: readonly string[]) => names.map((name) => `applied ${name}\n`).join('');

let url: string;
beforeAll(build);
beforeEach(async () => {
  url = await emptyDatabase();
});

const start = (release: string) =>
  startProcess(['npm', 'run', '--silent', 'migrate'], { env: { DATABASE_URL: url }, cwd: release });
/** The function behind `npm run migrate`. */
const migrateWith = (release: string) => runProgram(['dist/migrate.js'], { env: { DATABASE_URL: url }, cwd: release });

/** The tables of this list that exist. */
async function tablesOf(...names: string[]): Promise<string[]> {
  const rows = await run(url, "SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY relname");
  return rows.map(({ relname }) => relname).filter((name) => names.includes(name));
}

/** The names of all finished migrations. */
async function finished(): Promise<string[]> {
  const rows = await run(url, 'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL');
  return rows.map(({ name }) => name).toSorted();
}

/** Runs a task while the migration `9_held` waits for a lock. @param task gets a function that releases it */
async function whileHeld<Result>(task: (release: () => Promise<unknown>) => Promise<Result>): Promise<Result> {
  const client = await connect(url);
  try {
    await client.query('SELECT pg_advisory_lock(47)');
    return await task(() => client.query('SELECT pg_advisory_unlock(47)'));
  } finally {
    await client.end();
  }
}

const held: Migrations = { '9_held': 'CREATE TABLE held (); SELECT pg_advisory_xact_lock(47);' };

const isHeld = () =>
  vi.waitUntil(
    async () => {
      const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
      return (await run(url, waiting)).length > 0;
    },
    { timeout: 60_000, interval: 20 },
  );

test('of two concurrent migrate programs one applies the migrations, the other says that it waits, and both succeed', async () => {
  const release = await makeRelease(held);
  const [first, second] = await whileHeld(async (letGo) => {
    const programs = [start(release), start(release)] as const;
    await isHeld();
    const oneReportsWaiting = () => programs.some(({ stderr }) => stderr.endsWith('\n'));
    await vi.waitUntil(oneReportsWaiting, { timeout: 60_000, interval: 20 });
    await letGo();
    for (const { exit } of programs) expect(await exit).toEqual({ code: 0, signal: null });
    return programs.map(({ stdout, stderr }) => ({ stdout, stderr })).sort((a, b) => a.stdout.localeCompare(b.stdout));
  });
  expect([first, second]).toEqual([
    { stdout: applied([...ourNames, '9_held']), stderr: '' },
    {
      stdout: `${nothing}\n`,
      stderr: 'another program is migrating this database: waiting until it ends\n',
    },
  ]);
  expect(await finished()).toEqual([...ourNames, '9_held']);
});

test('a failed migration is rolled back and reported with its repair; afterwards the rest is applied', async () => {
  await migrate(url);
  const broken = { '7_one': 'CREATE TABLE one ();', '8_half': 'CREATE TABLE half (); SELECT 1/0;' };
  const release = await makeRelease({ ...broken, '9_last': 'CREATE TABLE last ();' });
  const repair =
    "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '8_half'" +
    ' AND finished_at IS NULL AND rolled_back_at IS NULL';
  const rest = `: once its cause is gone, run ${repair}; then migrate again\n`;
  expect(await migrateWith(release)).toEqual({
    code: 1,
    stdout: '',
    stderr: `the migration 8_half failed with "division by zero" (22012) after 7_one had been applied${rest}`,
  });
  expect(await tablesOf('one', 'half', 'last')).toEqual(['one']);
  expect(await migrateWith(release)).toEqual({
    code: 1,
    stdout: '',
    stderr: `the migration 8_half failed before${rest}`,
  });
  await run(url, repair);
  await writeMigrations(release, { '8_half': 'CREATE TABLE half ();' });
  expect(await migrateWith(release)).toEqual({ code: 0, stdout: applied(['8_half', '9_last']), stderr: '' });
  expect(await tablesOf('one', 'half', 'last')).toEqual(['half', 'last', 'one']);
  expect(await finished()).toEqual([...ourNames, '7_one', '8_half', '9_last']);
});

test('if the connections break during a migration, it is rolled back and reported', async () => {
  const release = await makeRelease(held);
  await whileHeld(async () => {
    const program = start(release);
    await isHeld();
    // All except the connection that holds the lock for which the migration waits.
    const others =
      "datname = current_database() AND pid <> pg_backend_pid() AND query <> 'SELECT pg_advisory_lock(47)'";
    await run(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`);
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect([program.stdout, program.stderr]).toEqual([
      '',
      'the connection to the database broke: try again once it answers\n',
    ]);
  });
  expect(await tablesOf('held')).toEqual([]);
  expect(await finished()).toEqual(ourNames);
});

test('if an applied migration was edited, nothing is applied; other line ends are no edit', async () => {
  const script = 'CREATE TABLE one ();\nCREATE TABLE two ();\n';
  const release = await makeRelease({ '7_one': script });
  expect(await migrateWith(release)).toMatchObject({ code: 0 });
  await writeMigrations(release, { '7_one': script.replace('two', 'three'), '8_next': 'CREATE TABLE next ();' });
  expect(await migrateWith(release)).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'the migration 7_one was edited after this database was migrated with it: restore its script (nothing was applied)\n',
  });
  expect(await tablesOf('next')).toEqual([]);
  await writeMigrations(release, { '7_one': script.replaceAll('\n', '\r\n') });
  expect(await migrateWith(release)).toEqual({ code: 0, stdout: applied(['8_next']), stderr: '' });
});

test('migrations of a later release are named and kept; if one of them has not finished, nothing is applied', async () => {
  const later = await makeRelease({ '8_later': 'CREATE TABLE later ();' });
  const release = await makeRelease({});
  expect(await migrateWith(later)).toMatchObject({ code: 0 });
  expect(await migrateWith(release)).toEqual({
    code: 0,
    stdout: `${nothing}\n`,
    stderr: 'a later release has migrated this database: its migrations (8_later) stay as they are\n',
  });
  await writeMigrations(later, { '9_broken': 'SELECT 1/0;' });
  expect(await migrateWith(later)).toMatchObject({ code: 1 });
  await writeMigrations(release, { '7_own': 'CREATE TABLE own ();' });
  expect(await migrateWith(release)).toEqual({
    code: 1,
    stdout: '',
    stderr: 'the migration 9_broken of a later release was begun and has not ended: migrate with that release\n',
  });
  expect(await tablesOf('later', 'own')).toEqual(['later']);
});

test('a database with tables of another application is left unchanged', async () => {
  await run(url, 'CREATE TABLE theirs ()');
  expect(await migrateWith(await makeRelease({}))).toEqual({
    code: 1,
    stdout: '',
    stderr: 'the database cannot be migrated: it has tables that no migration made\n',
  });
  expect(await tablesOf('theirs', '_prisma_migrations', 'agent')).toEqual(['theirs']);
});
