import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { migrate, migrationNames, pendingMigrations } from '../../src/database/migrate.ts';
import { StartError } from '../../src/errors.ts';
import { connect, run } from '../support/connection.ts';
import { emptyDatabase, namesInFolder } from '../support/empty-database.ts';

let url: string;
let folder: string;
const ourNames = await namesInFolder();

beforeEach(async () => {
  url = await emptyDatabase();
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp('prisma/migrations/migration_lock.toml', join(folder, 'migration_lock.toml'));
});

const query = (sql: string) => run(url, sql);

describe('migrate', () => {
  test('applies every migration to an empty database, and none the second time', async () => {
    expect(await pendingMigrations(url)).toEqual(ourNames);
    expect(await migrate(url)).toEqual(ourNames);
    expect(await pendingMigrations(url)).toEqual([]);
    expect(await migrate(url)).toEqual([]);
    expect(await migrationNames()).toEqual(ourNames);
  });

  test('keeps the records that `prisma migrate deploy` keeps', async () => {
    await migrate(url);
    const rows = await query('SELECT migration_name, checksum, finished_at FROM _prisma_migrations ORDER BY 1');
    for (const [index, name] of ourNames.entries()) {
      const script = await readFile(join('prisma/migrations', name, 'migration.sql'));
      const checksum = createHash('sha256').update(script).digest('hex');
      expect(rows[index]).toEqual({ migration_name: name, checksum, finished_at: expect.any(Date) });
    }
  });

  test('applies functions and texts with semicolons as they are written', async () => {
    await addMigration(
      '1_function',
      "CREATE FUNCTION two() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'a;b'; END $$;",
    );
    await migrate(url, folder);
    expect(await query('SELECT two()')).toEqual([{ two: 'a;b' }]);
  });

  test('allows a migration to take longer than a request may', async () => {
    // Long enough for the few statements of a migration's sessions before they set their own.
    const limits = "SET statement_timeout = '1s'";
    await run(url, `ALTER ROLE CURRENT_USER IN DATABASE ${new URL(url).pathname.slice(1)} ${limits}`);
    await addMigration('1_slow', 'SELECT pg_sleep(1.2);');
    expect(await migrate(url, folder)).toEqual(['1_slow']);
  });
});

test('agents can be written while their index is built, and it is valid afterwards', async () => {
  const [init = ''] = ourNames;
  await cp(join('prisma/migrations', init), join(folder, init), { recursive: true });
  await migrate(url, folder);
  const holder = await connect(url);
  try {
    await holder.query('SET idle_in_transaction_session_timeout = 0; BEGIN');
    await holder.query(agentSql);
    const migrating = migrate(url);
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                        AND query LIKE '%agent_living_idx%'`;
    await vi.waitUntil(async () => (await query(waiting)).length > 0, { timeout: 60_000, interval: 10 });
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
  test('lists exactly the missing migrations, in order, and changes nothing', async () => {
    await addMigration('1_one', 'CREATE TABLE one ();');
    await migrate(url, folder);
    await addMigration('3_three', 'CREATE TABLE three ();');
    await addMigration('2_two', 'CREATE TABLE two ();');
    expect(await pendingMigrations(url, folder)).toEqual(['2_two', '3_three']);
    expect(await pendingMigrations(url, folder)).toEqual(['2_two', '3_three']);
    expect(await query("SELECT relname FROM pg_class WHERE relname IN ('one', 'two', 'three')")).toHaveLength(1);
  });

  test('lists none because of a later release’s migration, whether it is applied, running or failed', async () => {
    await cp('prisma/migrations', folder, { recursive: true });
    await addMigration('3_applied', 'CREATE TABLE later ();');
    await addMigration('4_broken', 'SELECT 1/0;');
    await expect(migrate(url, folder)).rejects.toThrow('4_broken');
    expect(await query("SELECT to_regclass('later') AS later")).toEqual([{ later: 'later' }]);
    expect(await pendingMigrations(url)).toEqual([]);
    await expect(pendingMigrations(url, folder)).rejects.toThrow('4_broken');
  });
});

test('a failed migration stops the start of a server, which leads to migrate; that explains the repair', async () => {
  await addMigration('1_broken', 'SELECT 1/0;');
  await expect(migrate(url, folder)).rejects.toThrow(StartError);
  await expect(pendingMigrations(url, folder)).rejects.toEqual(
    new StartError(
      'the migration 1_broken failed, or is being applied right now: run npm run migrate, which waits until it has ended, ' +
        'and says what to do if it failed',
    ),
  );
  const repair =
    "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '1_broken'" +
    ' AND finished_at IS NULL AND rolled_back_at IS NULL';
  await expect(migrate(url, folder)).rejects.toEqual(
    new StartError(`the migration 1_broken failed before: once its cause is gone, run ${repair}; then migrate again`),
  );
  await run(url, repair);
  expect(await pendingMigrations(url, folder)).toEqual(['1_broken']);
});

test('the repair that migrate prints changes nothing of a migration that has finished since', async () => {
  await addMigration('1_broken', 'SELECT 1/0;');
  const message = await migrate(url, folder).then(String, String);
  const [, repair = ''] = /run (UPDATE .*); then migrate again/.exec(message) ?? [];
  await run(url, repair);
  await addMigration('1_broken', 'CREATE TABLE mended ();');
  expect(await migrate(url, folder)).toEqual(['1_broken']);
  const records = () => query('SELECT * FROM _prisma_migrations ORDER BY started_at');
  const before = await records();
  await run(url, repair);
  expect(await records()).toEqual(before);
  expect(await pendingMigrations(url, folder)).toEqual([]);
});

async function addMigration(name: string, script: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), script);
}
