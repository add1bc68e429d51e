import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { foreignSettings, setForDatabase, setForRole } from '../support/foreign-settings.ts';
import { withDatabase } from '../support/global-setup.ts';
import { send } from '../support/http.ts';
import { build, makeFolder, refusedStart, runProgram, startServer } from '../support/process.ts';
import { lateWebhooks, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld } from '../support/world.ts';

const programs = join(import.meta.dirname, '..', '..', 'dist');
const world = await openWorld();
const foreign = await openWorld();
const secret = { API_KEY_SECRET: world.secret };

beforeAll(build);

const migrate = (DATABASE_URL: string, env: Readonly<Record<string, string>> = {}) =>
  runProgram([join(programs, 'migrate.js')], { env: { DATABASE_URL, ...env } });
const list = (DATABASE_URL: string) =>
  runProgram([join(programs, 'admin.js'), 'company', 'list'], { env: { DATABASE_URL, ...secret } });
const start = (DATABASE_URL: string) => refusedStart({ DATABASE_URL, PORT: '0', ...secret });
const refused = (stderr: string) => ({ code: 1, stdout: '', stderr });

test('a start of the server or a command names each database setting that would change the meaning of values', async () => {
  for (const [name, value] of Object.entries(foreignSettings)) {
    await setForRole(foreign.ownerUrl, inject('serverRole'), name, value);
    await setForRole(foreign.ownerUrl, 'CURRENT_USER', name, value);
  }
  const lacking =
    'DATABASE_URL: TimeZone is Asia/Kolkata, expected UTC; DateStyle is German, DMY, expected ISO, MDY; ' +
    'IntervalStyle is sql_standard, expected postgres; standard_conforming_strings is off, expected on; ' +
    'bytea_output is escape, expected hex; extra_float_digits is -15, expected 1; array_nulls is off, expected on; ' +
    'row_security is off, expected on; quote_all_identifiers is on, expected off; search_path is elsewhere, expected public; ' +
    'default_transaction_isolation is serializable, expected read committed; ' +
    'default_transaction_read_only is on, expected off: run npm run migrate as this role';
  expect(await start(foreign.databaseUrl)).toEqual(refused(`${lacking}\n`));
  const command = [join(programs, 'admin.js'), 'company', 'create', '--name', 'A'];
  const made = await runProgram(command, { env: { DATABASE_URL: foreign.ownerUrl, ...secret } });
  expect(made).toEqual(refused(`error: ${lacking}\n`));
  expect((await run(foreign.ownerUrl, 'SELECT FROM public.company')).length).toBe(0);
});

test('npm run migrate creates its tables in public, and the server runs, whatever the database sets for its sessions', async () => {
  const url = await emptyDatabase();
  await run(url, 'CREATE SCHEMA elsewhere');
  await setForDatabase(url);
  expect(await migrate(url)).toMatchObject({ code: 0, stderr: '' });
  const schemas = await run(
    url,
    "SELECT DISTINCT schemaname AS name FROM pg_tables WHERE schemaname !~ '^(pg_|information)'",
  );
  expect(schemas).toEqual([{ name: 'public' }]);
  await unlessTooSlow(async ({ timed, provedBy, atEnd }) => {
    const { server, origin } = await startServer({ DATABASE_URL: url, ...secret }, { atEnd });
    provedBy(() => server.stdout.includes(lateWebhooks));
    expect(await timed(send(origin, { method: 'GET', path: '/health/ready' }))).toMatchObject({ status: 200 });
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stdout).not.toMatch(/"level":(40|50|60)/);
  });
});

test('migrate refuses a database in another encoding and creates nothing in it', async () => {
  const name = `ascii_${process.pid}_${Date.now()}`;
  await run(
    inject('serverUrl'),
    `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'`,
  );
  onTestFinished(async () => {
    await run(inject('serverUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
  });
  const url = withDatabase(inject('serverUrl'), name);
  const wrong = 'DATABASE_URL: server_encoding is SQL_ASCII, expected UTF8: use another database or role\n';
  expect(await migrate(url)).toEqual(refused(wrong));
  expect(await run(url, "SELECT FROM pg_tables WHERE schemaname = 'public'")).toEqual([]);
});

test('a role whose triggers are disabled is refused', async () => {
  await setForRole(world.ownerUrl, 'CURRENT_USER', 'session_replication_role', 'replica');
  onTestFinished(() => setForRole(world.ownerUrl, 'CURRENT_USER', 'session_replication_role'));
  const wrong = 'DATABASE_URL: session_replication_role is replica, expected origin: use another database or role\n';
  expect(await start(world.ownerUrl)).toEqual(refused(wrong));
});

function withOptions(url: string, options: string): string {
  const changed = new URL(url);
  changed.searchParams.set('options', options);
  return changed.href;
}

/** The warnings of a server in production until it is ready, without that of a slow machine. */
async function warningsOf(DATABASE_URL: string): Promise<string[]> {
  const { server } = await startServer({ DATABASE_URL, NODE_ENV: 'production', ...secret });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  const lines = server.stdout.split('\n').filter((line) => line.includes('"level":40'));
  return lines.map((line) => JSON.parse(line).msg).filter((message) => message !== lateWebhooks);
}

test('a server in production warns of settings with which a crash can lose acknowledged changes, and of a role that owns the tables', async () => {
  const owner =
    'the role in DATABASE_URL owns the tables: run the server as a role that npm run migrate -- --server-role NAME admits';
  expect(await warningsOf(world.databaseUrl)).toEqual([]);
  expect(await warningsOf(world.ownerUrl)).toEqual([owner]);
  const role = inject('serverRole');
  await setForRole(world.ownerUrl, role, 'synchronous_commit', 'off');
  onTestFinished(() => setForRole(world.ownerUrl, role, 'synchronous_commit'));
  const off = 'synchronous_commit is off: when PostgreSQL crashes, changes that were answered can be lost';
  expect(await warningsOf(world.databaseUrl)).toEqual([off]);
});

test('npm run migrate refuses a parameter of DATABASE_URL that would have no effect, and changes nothing', async () => {
  const url = await emptyDatabase();
  const withSchema = `${url}${url.includes('?') ? '&' : '?'}schema=tenant`;
  expect(await migrate(withSchema)).toEqual(refused('schema in DATABASE_URL must be public\n'));
  const client = await connect(url);
  expect((await client.query("SELECT FROM pg_tables WHERE schemaname IN ('public', 'tenant')")).rowCount).toBe(0);
  await client.end();
});

test('the server, the command line and migrate refuse a DATABASE_URL of another program in one sentence, and change nothing', async () => {
  const url = await emptyDatabase();
  const sentence = 'DATABASE_URL must be a URL postgresql://user:password@host:port/database\n';
  for (const foreignUrl of [url.replace(/^[a-z]+/, 'mysql'), `jdbc:${url}`]) {
    expect(await migrate(foreignUrl)).toEqual(refused(sentence));
    expect(await start(foreignUrl)).toEqual(refused(sentence));
    expect(await list(foreignUrl)).toEqual(refused(`error: ${sentence}`));
  }
  expect(await run(url, "SELECT FROM pg_tables WHERE schemaname = 'public'")).toEqual([]);
});

test('settings of the role in options or PGOPTIONS are refused by name by every program, and change nothing', async () => {
  const url = await emptyDatabase();
  const sentence = (names: string) => `options in DATABASE_URL, or PGOPTIONS, sets ${names}: leave that out\n`;
  const ofMigrate = [
    ['-c search_path=tenant', 'search_path'],
    ['-c TimeZone=Europe/Berlin -c work_mem=8MB --statement-timeout=5s', 'TimeZone'],
    ['-c session_replication_role=replica', 'session_replication_role'],
  ] as const;
  await run(url, 'CREATE SCHEMA tenant');
  for (const [options, names] of ofMigrate) {
    expect(await migrate(withOptions(url, options))).toEqual(refused(sentence(names)));
    expect(await migrate(url, { PGOPTIONS: options })).toEqual(refused(sentence(names)));
  }
  expect(await run(url, "SELECT FROM pg_tables WHERE schemaname IN ('public', 'tenant')")).toEqual([]);
  const ofDatabase = 'SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase';
  expect(await run(url, `${ofDatabase} WHERE datname = current_database()`)).toEqual([]);

  const options = '-c TimeZone=Europe/Berlin -c lock_timeout=0';
  expect(await start(withOptions(world.databaseUrl, options))).toEqual(refused(sentence('TimeZone, lock_timeout')));
  expect(await list(withOptions(world.ownerUrl, options))).toEqual(refused(`error: ${sentence('TimeZone')}`));
  expect(await list(withOptions(world.ownerUrl, '-c search_path=public -c lock_timeout=0'))).toMatchObject({ code: 0 });
});

test('a .env file may begin with a byte order mark, and a misspelt name in it is reported on stderr', async () => {
  const folder = await makeFolder();
  const lines = [`DATABASE_URL=${world.databaseUrl}`, `API_KEY_SECRET=${world.secret}`, 'RATE_LIMT_PER_MINUTE=5'];
  await writeFile(join(folder, '.env'), `\uFEFF${lines.join('\n')}\n`);
  const { server } = await startServer({ NODE_ENV: 'production' }, { cwd: folder });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(server.stderr).toBe(
    'RATE_LIMT_PER_MINUTE is no variable of this program: did you mean RATE_LIMIT_PER_MINUTE?\n',
  );

  await writeFile(join(folder, '.env'), Buffer.from(`\uFEFF${lines.join('\n')}\n`, 'utf16le'));
  const outcome = await refusedStart({ PORT: '0' }, { cwd: folder });
  expect(outcome).toEqual(refused('the file .env must be UTF-8\n'));
});

test.each(['server.js', 'admin.js company list', 'migrate.js'])(
  'a .env that cannot be read ends %s in one line',
  async (command) => {
    const folder = await makeFolder();
    await mkdir(join(folder, '.env'));
    const [program = '', ...parameters] = command.split(' ');
    const { stderr, ...outcome } = await runProgram([join(programs, program), ...parameters], { cwd: folder });
    expect(outcome).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^(error: )?the file \.env cannot be read \(EISDIR[^\n]*\): let this user read it, or move it away\n$/,
    );
  },
);
