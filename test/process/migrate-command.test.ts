import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrate, pendingMigrations } from '../../src/database/migrate.ts';
import { writeRoleSettings } from '../../src/database/server-role.ts';
import { withClient, withMigrationLock } from '../../src/database/session.ts';
import { lackingSettings, roleSettings } from '../../src/database/settings.ts';
import { connect, run } from '../support/connection.ts';
import { emptyDatabase, namesInFolder } from '../support/empty-database.ts';
import { build, makeFolder, runProgram } from '../support/process.ts';

const nothing = 'nothing to apply: the database is up to date, and the role in DATABASE_URL has its settings';

/** The settings that a new session of the role in a URL lacks. */
const missingRoleSettings = (ofUrl: string) => withClient(ofUrl, (client) => lackingSettings(client, roleSettings));

let url: string;

beforeAll(build);
beforeEach(async () => {
  url = await emptyDatabase();
});

describe('the settings of a role', () => {
  test('are in effect in the next session after migrate', async () => {
    expect(await missingRoleSettings(url)).toContain('lock_timeout is 0, expected 1s');
    await migrate(url);
    expect(await missingRoleSettings(url)).toEqual([]);
    for (const [name, value] of Object.entries(roleSettings)) {
      expect(await run(url, `SELECT current_setting('${name}') AS value`)).toEqual([{ value }]);
    }
  });

  test('are also checked on a given connection', async () => {
    await withMigrationLock(url, writeRoleSettings);
    const client = await connect(url);
    const before = await lackingSettings(client, roleSettings);
    await client.query('SET jit = on');
    const after = await lackingSettings(client, roleSettings);
    await client.end();
    expect([before, after]).toEqual([[], ['jit is on, expected off']]);
  });
});

describe('npm run migrate', () => {
  test('prints what it applied, then that nothing is pending', async () => {
    const applied = (await namesInFolder()).map((name) => `applied ${name}\n`).join('');
    expect(await command()).toEqual({ code: 0, stdout: applied, stderr: '' });
    expect(await command()).toEqual({ code: 0, stdout: `${nothing}\n`, stderr: '' });
  });

  test('reads DATABASE_URL from a .env file too, and reports a misspelt name', async () => {
    const folder = await makeFolder();
    const program = join(import.meta.dirname, '..', '..', 'dist', 'migrate.js');
    await writeFile(join(folder, '.env'), `DATABASE_URL=${url}\n`);
    expect(await runProgram([program], { cwd: folder })).toMatchObject({ code: 0, stderr: '' });
    expect(await missingRoleSettings(url)).toEqual([]);
    await writeFile(join(folder, '.env'), `DATABASE_URI=${url}\n`);
    const slip = 'DATABASE_URI is no variable of this program: did you mean DATABASE_URL?\n';
    expect(await runProgram([program], { cwd: folder })).toEqual({
      code: 1,
      stdout: '',
      stderr: `${slip}DATABASE_URL is not set: the embedded database needs no migrate, it is migrated at start\n`,
    });
  });

  test.each([
    ['without DATABASE_URL', '', /^DATABASE_URL is not set: the embedded database [^\n]+\n$/],
    ['with a value that is no URL', 'postgresql://[', /^the database cannot be reached: [^\n]+\n$/],
    [
      'with a database that does not answer',
      'postgresql://localhost:1/x',
      /^the database cannot be reached: [^\n]+\n$/,
    ],
  ])('%s fails in one line', async (_, databaseUrl, message) => {
    expect(await command([], databaseUrl)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });

  test('--server-role lets a role that owns nothing run the server, and removes any other right of it', async () => {
    const role = `odd "role" ${randomUUID()}`;
    const quoted = pg.escapeIdentifier(role);
    await run(url, `CREATE ROLE ${quoted} LOGIN PASSWORD 'secret'`);
    try {
      await migrate(url);
      for (const kind of ['TABLES', 'SEQUENCES'])
        await run(url, `GRANT ALL ON ALL ${kind} IN SCHEMA public TO ${quoted}`);
      expect(await command(['--server-role', role])).toMatchObject({ code: 0, stderr: '' });
      const theirs = new URL(url);
      theirs.username = encodeURIComponent(role);
      theirs.password = 'secret';
      expect(await pendingMigrations(theirs.href)).toEqual([]);
      expect(await missingRoleSettings(theirs.href)).toEqual([]);
      await run(theirs.href, 'UPDATE api_key SET last_used_at = now()');
      await run(theirs.href, 'UPDATE agent SET version = version');
      const changes = ['DELETE FROM company', "UPDATE company SET name = 'd'", 'UPDATE agent_version SET version = 1'];
      const number = "SELECT setval('webhook_delivery_position_seq', 1)";
      for (const refused of [...changes, 'DELETE FROM audit_entry', 'CREATE TABLE t ()', number]) {
        await expect(run(theirs.href, refused)).rejects.toThrow('permission denied');
      }
    } finally {
      await run(url, `DROP OWNED BY ${quoted}`);
      await run(url, `DROP ROLE ${quoted}`);
    }
  });

  test('--server-role refuses superusers, the owner of the tables and its members, and leaves their rights unchanged', async () => {
    const [owner, member, root] = ['owner', 'member', 'root'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
    await run(
      url,
      `CREATE ROLE ${owner}; CREATE ROLE ${member} NOINHERIT; CREATE ROLE ${root} SUPERUSER;
       GRANT ${owner} TO ${member}`,
    );
    try {
      await migrate(url);
      await run(url, `ALTER TABLE agent OWNER TO ${owner}; GRANT ALL ON agent, api_key TO ${member}, ${root}`);
      const rights = async () => run(url, 'SELECT relname, relacl::text FROM pg_class ORDER BY 1');
      const before = await rights();
      for (const role of [owner, member, root]) {
        expect(await command(['--server-role', String(role)])).toEqual({
          code: 1,
          stdout: `${nothing}\n`,
          stderr: `the role ${role} owns the tables, is a member of a role that does, or is a superuser: name a role for the server that owns nothing (no rights were changed)\n`,
        });
      }
      expect(await rights()).toEqual(before);
      const theirs = `setrole IN ('${owner}'::regrole, '${member}'::regrole, '${root}'::regrole)`;
      expect(await run(url, `SELECT setconfig FROM pg_db_role_setting WHERE ${theirs}`)).toEqual([]);
    } finally {
      await run(url, `ALTER TABLE agent OWNER TO CURRENT_USER`);
      await run(url, `DROP OWNED BY ${owner}, ${member}, ${root}; DROP ROLE ${owner}, ${member}, ${root}`);
    }
  });
});

/** Runs the command to its end. */
const command = (parameters: readonly string[] = [], databaseUrl = url) =>
  runProgram(['dist/migrate.js', ...parameters], { env: { DATABASE_URL: databaseUrl } });
