import { beforeAll, expect, test } from 'vitest';
import { run } from '../support/connection.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { build, refusedStart, runProgram } from '../support/process.ts';

beforeAll(build);

/** The table in which Prisma Migrate records migrations. */
const migrations = `CREATE TABLE _prisma_migrations (
  id text, checksum text, finished_at timestamptz, migration_name text, logs text, rolled_back_at timestamptz,
  started_at timestamptz DEFAULT now(), applied_steps_count integer DEFAULT 0)`;

test.for([
  { state: 'a finished', finishedAt: 'now()', table: 'theirs' },
  { state: 'a finished', finishedAt: 'now()', table: 'company' },
  { state: 'an unfinished', finishedAt: 'NULL', table: 'theirs' },
])(
  'a database of another Prisma application, with $state migration and a table $table, is refused and left unchanged',
  async ({ finishedAt, table }) => {
    const url = await emptyDatabase();
    await run(url, `${migrations}; CREATE TABLE ${table} (name text)`);
    const row = `('1', '', '1_theirs', ${finishedAt})`;
    await run(url, `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ${row}`);
    const stored = async () => [
      await run(url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"),
      await run(url, 'SELECT * FROM _prisma_migrations'),
      await run(
        url,
        'SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()',
      ),
    ];
    // A setting that `migrate` would be asked to change, if the settings were looked at first.
    await run(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET TimeZone = 'Asia/Kolkata'`);
    const before = await stored();
    const refused = {
      code: 1,
      stdout: '',
      stderr:
        'the database that DATABASE_URL names is that of another program (its first migration is 1_theirs): ' +
        'name one for this program alone\n',
    };
    expect(await runProgram(['dist/migrate.js'], { env: { DATABASE_URL: url } })).toEqual(refused);
    expect(await refusedStart({ DATABASE_URL: url, PORT: '0', API_KEY_SECRET: 'secret'.repeat(6) })).toEqual(refused);
    const list = await runProgram(['dist/admin.js', 'company', 'list'], { env: { DATABASE_URL: url } });
    expect(list).toEqual({ ...refused, stderr: `error: ${refused.stderr}` });
    expect(await stored()).toEqual(before);
  },
);
