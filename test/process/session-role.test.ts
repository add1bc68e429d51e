import { randomUUID } from 'node:crypto';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { roleSettings } from '../../src/database/settings.ts';
import { run } from '../support/connection.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { send } from '../support/http.ts';
import { build, runProgram, startServer } from '../support/process.ts';

beforeAll(build);

test.for(['ALTER ROLE', 'options'] as const)(
  'where the role that logs in acts as another one by %s, migrate gives its settings to the one that logs in, and the server runs',
  async (way) => {
    const [login, owner] = ['login', 'owner'].map((name) => `${name}_${randomUUID().replaceAll('-', '')}`);
    // Before the database is made, as this runs after the database is dropped.
    onTestFinished(async () => {
      await run(inject('serverUrl'), `DROP ROLE ${login}; DROP ROLE ${owner}`);
    });
    const url = await emptyDatabase();
    const database = new URL(url).pathname.slice(1);
    await run(url, `CREATE ROLE ${owner}; CREATE ROLE ${login} LOGIN PASSWORD 'secret' IN ROLE ${owner}`);
    await run(
      url,
      `ALTER DATABASE ${database} OWNER TO ${owner}; ALTER DATABASE ${database} SET TimeZone = 'Asia/Kolkata'`,
    );
    const target = Object.assign(new URL(url), { username: login, password: 'secret' });
    if (way === 'options') target.searchParams.set('options', `-c role=${owner}`);
    else await run(url, `ALTER ROLE ${login} SET role = '${owner}'`);
    const env = { DATABASE_URL: target.href, API_KEY_SECRET: randomUUID().repeat(2) };

    expect(await runProgram(['dist/migrate.js'], { env })).toMatchObject({ code: 0, stderr: '' });
    const settings = await run(
      url,
      `SELECT rolname, unnest(setconfig) AS setting FROM pg_db_role_setting
         JOIN pg_roles r ON r.oid = setrole JOIN pg_database d ON d.oid = setdatabase WHERE datname = '${database}'`,
    );
    const names = Object.keys(roleSettings);
    expect(settings.map(({ rolname, setting }) => [rolname, setting.split('=', 1)[0]])).toEqual(
      names.map((name) => [login, name]),
    );
    expect(await run(url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")).toEqual([
      { tableowner: owner },
    ]);

    // As docs/operate.md says of what a server sees of its own statements.
    const seen = async () => await run(target.href, 'SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()');
    expect(await seen()).toEqual([{ state: null }]);
    await run(url, `GRANT pg_read_all_stats TO ${owner}`);
    expect(await seen()).toEqual([{ state: 'active' }]);

    const { server, origin } = await startServer(env);
    expect(await send(origin, { method: 'GET', path: '/health/ready' })).toMatchObject({ status: 200 });
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(await runProgram(['dist/admin.js', 'company', 'list'], { env })).toEqual({
      code: 0,
      stdout: '[]\n',
      stderr: '',
    });
  },
);
