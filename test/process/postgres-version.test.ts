import { beforeAll, expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import { emptyDatabase, namesInFolder } from '../support/empty-database.ts';
import { build, refusedStart, runProgram } from '../support/process.ts';

beforeAll(build);

/** Makes new sessions see another version of PostgreSQL: a function comes before PostgreSQL's own of that name. */
async function pretend(url: string, version: string, number: string): Promise<void> {
  await run(
    url,
    `CREATE SCHEMA IF NOT EXISTS other;
     CREATE OR REPLACE FUNCTION other.current_setting(text) RETURNS text LANGUAGE sql AS $$
       SELECT CASE $1 WHEN 'server_version' THEN '${version}' WHEN 'server_version_num' THEN '${number}'
              ELSE pg_catalog.current_setting($1) END $$;
     ALTER DATABASE ${new URL(url).pathname.slice(1)} SET search_path = other, public, pg_catalog`,
  );
}

test('a PostgreSQL before 15 is refused by migrate and the server, and left unchanged; a later one than 18 is migrated', async () => {
  const url = await emptyDatabase();
  const migrate = () => runProgram(['dist/migrate.js'], { env: { DATABASE_URL: url } });
  await pretend(url, '14.11 (Debian 14.11-1)', '140011');
  const refused = {
    code: 1,
    stdout: '',
    stderr: 'the database is a PostgreSQL 14.11 (Debian 14.11-1), and this program needs 15 or later\n',
  };
  expect(await migrate()).toEqual(refused);
  expect(await refusedStart({ DATABASE_URL: url, PORT: '0', API_KEY_SECRET: 'secret'.repeat(6) })).toEqual(refused);
  expect(await run(url, "SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace")).toEqual([]);
  await pretend(url, '99.1', '990001');
  const applied = (await namesInFolder()).map((name) => `applied ${name}\n`).join('');
  expect(await migrate()).toEqual({ code: 0, stdout: applied, stderr: '' });
});
