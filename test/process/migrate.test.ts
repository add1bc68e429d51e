// Over 200 lines: everything that migrating promises stands beside the one empty database that each test begins with.
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { migrate, migrationNames, pendingMigrations } from '../../src/database/migrate.ts';
import { missingRoleSettings, roleSettings, setRoleSettings } from '../../src/database/server-role.ts';
import { StartError } from '../../src/start-error.ts';
import { run, withDatabase } from '../support/global-setup.ts';

let url: string;
let folder: string;
let ourNames: string[];

beforeEach(async () => {
  const name = `migrate_${randomUUID().replaceAll('-', '')}`;
  url = withDatabase(inject('serverUrl'), name);
  await run(inject('serverUrl'), `CREATE DATABASE ${name}`);
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  await cp('prisma/migrations/migration_lock.toml', join(folder, 'migration_lock.toml'));
  ourNames = (await readdir('prisma/migrations', { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
});

afterEach(async () => {
  await run(inject('serverUrl'), `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
  await rm(folder, { recursive: true });
});

describe('migrate', () => {
  test('applies every migration to an empty database, the second time none', async () => {
    expect(await pendingMigrations(url)).toEqual(ourNames);
    expect(await migrate(url)).toEqual(ourNames);
    expect(await pendingMigrations(url)).toEqual([]);
    expect(await migrate(url)).toEqual([]);
    expect(await migrationNames()).toEqual(ourNames);
  });

  test('keeps the records of `prisma migrate deploy`', async () => {
    await migrate(url);
    const rows = await query('SELECT migration_name, checksum, finished_at FROM _prisma_migrations ORDER BY 1');
    for (const [index, name] of ourNames.entries()) {
      const script = await readFile(join('prisma/migrations', name, 'migration.sql'));
      const checksum = createHash('sha256').update(script).digest('hex');
      expect(rows[index]).toEqual({ migration_name: name, checksum, finished_at: expect.any(Date) });
    }
  });

  test('two at the same moment apply each migration once', async () => {
    const applied = await Promise.all([migrate(url), migrate(url)]);
    expect(applied.flat()).toEqual(ourNames);
  });

  test('applies functions and texts that hold semicolons as they are written', async () => {
    await addMigration(
      '1_function',
      "CREATE FUNCTION two() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'a;b'; END $$;",
    );
    await migrate(url, folder);
    expect(await query('SELECT two()')).toEqual([{ two: 'a;b' }]);
  });

  test('lets a migration take longer than a request may', async () => {
    const limits = "SET statement_timeout = '100ms'";
    await run(url, `ALTER ROLE CURRENT_USER IN DATABASE ${new URL(url).pathname.slice(1)} ${limits}`);
    await addMigration('1_slow', 'SELECT pg_sleep(0.3);');
    expect(await migrate(url, folder)).toEqual(['1_slow']);
  });
});

test('agents can be written while their index is made, and it is valid afterwards', async () => {
  const [init = ''] = ourNames;
  await cp(join('prisma/migrations', init), join(folder, init), { recursive: true });
  await migrate(url, folder);
  const holder = new pg.Client({ connectionString: url });
  await holder.connect();
  try {
    await holder.query('BEGIN');
    await holder.query(agentSql);
    const migrating = migrate(url);
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                        AND query LIKE '%agent_living_idx%'`;
    await vi.waitUntil(async () => (await query(waiting)).length > 0, { timeout: 10_000, interval: 10 });
    await run(url, `SET lock_timeout = '1s'; ${agentSql}`);
    await holder.query('COMMIT');
    expect(await migrating).toEqual(ourNames.slice(1));
  } finally {
    await holder.end();
  }
  const indexes = `SELECT relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class ON oid = indexrelid
                    WHERE indrelid = 'agent'::regclass ORDER BY 1`;
  expect(await query(indexes)).toEqual([
    { name: 'agent_living_idx', valid: true },
    { name: 'agent_pkey', valid: true },
  ]);
});

/** A company with an agent. */
const agentSql = `
  WITH made AS (INSERT INTO company (name) VALUES ('c') RETURNING id)
  INSERT INTO agent (company_id, name, type, focus, language, duration)
  SELECT id, 'Agent', 'ONLINE', 'GENERIC', 'EN', 30 FROM made`;

describe('pendingMigrations', () => {
  test('names exactly what the database lacks, in order, and changes nothing', async () => {
    await addMigration('1_one', 'CREATE TABLE one ();');
    await migrate(url, folder);
    await addMigration('3_three', 'CREATE TABLE three ();');
    await addMigration('2_two', 'CREATE TABLE two ();');
    expect(await pendingMigrations(url, folder)).toEqual(['2_two', '3_three']);
    expect(await pendingMigrations(url, folder)).toEqual(['2_two', '3_three']);
    expect(await query("SELECT relname FROM pg_class WHERE relname IN ('one', 'two', 'three')")).toHaveLength(1);
  });
});

describe('a migration that fails', () => {
  beforeEach(async () => {
    await addMigration('1_broken', 'CREATE TABLE half (); SELECT 1/0;');
  });

  test('is an error of one line that names it and the reason, and leaves nothing behind', async () => {
    const error = await migrate(url, folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect(String(error)).toMatch(/^[^\n]*1_broken[^\n]*division by zero[^\n]*$/);
    expect(await query("SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
  });

  test('stops a server, which says what to do; once that is done, it is applied again', async () => {
    await migrate(url, folder).catch(() => {});
    const error = await pendingMigrations(url, folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect(String(error)).toMatch(/the migration 1_broken failed/);
    await expect(migrate(url, folder)).rejects.toThrow('1_broken');

    const [statement = ''] = String(error).match(/UPDATE .*'1_broken'/) ?? [];
    await run(url, statement);
    await addMigration('1_broken', 'CREATE TABLE half ();');
    expect(await pendingMigrations(url, folder)).toEqual(['1_broken']);
    expect(await migrate(url, folder)).toEqual(['1_broken']);
  });
});

describe('the settings of a role', () => {
  test('are those of the next session, after migrate', async () => {
    expect(await missingRoleSettings(url)).toContain('lock_timeout is 0, expected 1s');
    await migrate(url, folder);
    expect(await missingRoleSettings(url)).toEqual([]);
    for (const [name, value] of Object.entries(roleSettings)) {
      expect(await query(`SELECT current_setting('${name}') AS value`)).toEqual([{ value }]);
    }
  });

  test('are looked up on a connection that is given, too', async () => {
    await setRoleSettings(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const before = await missingRoleSettings(client);
    await client.query('SET jit = on');
    const after = await missingRoleSettings(client);
    await client.end();
    expect([before, after]).toEqual([[], ['jit is on, expected off']]);
  });
});

describe('npm run migrate', () => {
  test('prints what it applied, then that there is nothing to apply', async () => {
    const applied = ourNames.map((name) => `applied ${name}\n`).join('');
    expect(await command()).toEqual({ code: 0, stdout: applied, stderr: '' });
    expect(await command()).toEqual({ code: 0, stdout: 'nothing to apply\n', stderr: '' });
  });

  test.each([
    ['without DATABASE_URL', '', /^DATABASE_URL is not set: the embedded database [^\n]+\n$/],
    ['with something else than a URL', 'postgresql://[', /^the database cannot be reached: [^\n]+\n$/],
    [
      'with a database that does not answer',
      'postgresql://localhost:1/x',
      /^the database cannot be reached: [^\n]+\n$/,
    ],
  ])('%s fails in one line', async (_, databaseUrl, message) => {
    expect(await command([], databaseUrl)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });

  test('--server-role lets a role that owns nothing run the server, and nothing more, whatever it could before', async () => {
    const role = `odd "role" ${randomUUID()}`;
    const quoted = pg.escapeIdentifier(role);
    await run(url, `CREATE ROLE ${quoted} LOGIN PASSWORD 'secret'`);
    try {
      await migrate(url);
      await run(url, `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${quoted}`);
      expect(await command(['--server-role', role])).toMatchObject({ code: 0, stderr: '' });
      const theirs = new URL(url);
      theirs.username = encodeURIComponent(role);
      theirs.password = 'secret';
      expect(await pendingMigrations(theirs.href)).toEqual([]);
      expect(await missingRoleSettings(theirs.href)).toEqual([]);
      await run(theirs.href, 'UPDATE api_key SET last_used_at = now()');
      await run(theirs.href, 'UPDATE agent SET version = version');
      const changes = ['DELETE FROM company', "UPDATE company SET name = 'd'", 'UPDATE agent_version SET version = 1'];
      for (const refused of [...changes, 'DELETE FROM audit_entry', 'CREATE TABLE t ()']) {
        await expect(run(theirs.href, refused)).rejects.toThrow('permission denied');
      }
    } finally {
      await run(url, `DROP OWNED BY ${quoted}`);
      await run(url, `DROP ROLE ${quoted}`);
    }
  });
});

async function addMigration(name: string, script: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), script);
}

async function query(sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
function command(args: readonly string[] = [], databaseUrl = url): Promise<Outcome> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: databaseUrl };
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', 'src/migrate.ts', ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}
