import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { run } from '../support/connection.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { build, refusedStart, runProgram } from '../support/process.ts';

const nothing = 'nothing to apply: the database is up to date, and the role in DATABASE_URL has its settings';

let url: string;

beforeAll(build);
beforeEach(async () => {
  url = await emptyDatabase();
});

test('--server-role refuses a role that PUBLIC or another role lets do more, and says what to revoke', async () => {
  const [role, other] = ['server', 'other'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
  await migrate(url);
  await run(url, `CREATE ROLE ${role}; CREATE ROLE ${other}; GRANT ${other} TO ${role}`);
  const refused = (rights: string) => ({
    code: 1,
    stdout: `${nothing}\n`,
    stderr: `the role ${role} may do more than the server does, through PUBLIC or another role: revoke there ${rights} (no rights were changed)\n`,
  });
  const admit = () => command(['--server-role', String(role)]);
  try {
    // As a database has it that was made by PostgreSQL 14 or before.
    await run(url, `GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT DELETE, UPDATE ON company TO ${other}`);
    expect(await admit()).toEqual(refused('CREATE ON SCHEMA public, DELETE ON company, UPDATE ON company'));
    expect(await run(url, `SELECT FROM information_schema.role_table_grants WHERE grantee = '${role}'`)).toEqual([]);
    await run(url, `REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE ALL ON company FROM ${other}`);
    await run(url, `GRANT INSERT (name) ON company TO PUBLIC; GRANT UPDATE (name, company_id) ON agent TO ${other}`);
    expect(await admit()).toEqual(refused('INSERT (name) ON company, UPDATE (company_id) ON agent'));
    await run(url, `REVOKE INSERT (name) ON company FROM PUBLIC; REVOKE UPDATE (company_id) ON agent FROM ${other}`);
    // A role that does not inherit the rights of the other one has them after `SET ROLE`.
    await run(url, `REVOKE ${other} FROM ${role}; ALTER ROLE ${role} NOINHERIT; GRANT ${other} TO ${role}`);
    await run(url, `GRANT DELETE ON agent TO ${other}`);
    expect(await admit()).toEqual(refused('DELETE ON agent'));
    await run(url, `REVOKE DELETE ON agent FROM ${other}`);
    await run(url, `GRANT EXECUTE ON FUNCTION check_agent_deletion() TO ${other}`);
    expect(await admit()).toEqual(refused('EXECUTE ON FUNCTION check_agent_deletion()'));
    await run(url, `REVOKE EXECUTE ON FUNCTION check_agent_deletion() FROM ${other}`);
    const sequence = 'webhook_delivery_position_seq';
    await run(url, `GRANT UPDATE ON SEQUENCE ${sequence} TO ${other}; GRANT USAGE ON SEQUENCE ${sequence} TO PUBLIC`);
    expect(await admit()).toEqual(refused(`UPDATE ON SEQUENCE ${sequence}, USAGE ON SEQUENCE ${sequence}`));
    await run(url, `REVOKE ALL ON SEQUENCE ${sequence} FROM ${other}, PUBLIC`);
    // A right since PostgreSQL 17, with which a role may lock a table against everybody.
    const [version] = await run(url, `SELECT current_setting('server_version_num')::int AS number`);
    if (version?.['number'] >= 170_000) {
      await run(url, `GRANT MAINTAIN ON agent TO ${other}`);
      expect(await admit()).toEqual(refused('MAINTAIN ON agent'));
      await run(url, `REVOKE MAINTAIN ON agent FROM ${other}`);
    }
    // Which the server may do anyway.
    await run(url, `GRANT SELECT (name), UPDATE (name) ON agent TO PUBLIC`);
    expect(await admit()).toMatchObject({ code: 0, stderr: '' });
  } finally {
    await run(url, `DROP OWNED BY ${role}, ${other}; DROP ROLE ${role}, ${other}`);
  }
});

test('--server-role leaves tables and views of other owners in the schema alone, and succeeds', async () => {
  const [role, owner, other] = ['server', 'owner', 'other'].map((name) => `${name}_${randomUUID().slice(0, 8)}`);
  const theirs = Object.assign(new URL(url), { username: owner, password: 'secret' });
  await run(url, `CREATE ROLE ${role}; CREATE ROLE ${owner} LOGIN PASSWORD 'secret'; CREATE ROLE ${other}`);
  await run(url, `ALTER DATABASE ${theirs.pathname.slice(1)} OWNER TO ${owner}`);
  const foreign = `
    SELECT relname, relacl::text FROM pg_class WHERE relowner = '${other}'::regrole AND relkind IN ('r', 'v') ORDER BY 1`;
  try {
    await migrate(theirs.href);
    await run(url, `CREATE TABLE aside (); CREATE VIEW seen AS SELECT; GRANT SELECT ON seen TO ${role}`);
    await run(url, `ALTER TABLE aside OWNER TO ${other}; ALTER VIEW seen OWNER TO ${other}`);
    const before = await run(url, foreign);
    expect(before).toHaveLength(2);
    const { stdout, ...rest } = await command(['--server-role', String(role)], theirs.href);
    expect(rest).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`role ${role} may run the server`);
    expect(await run(url, foreign)).toEqual(before);
    expect(await run(url, `SELECT has_table_privilege('${role}', 'agent', 'INSERT') AS may`)).toEqual([{ may: true }]);
  } finally {
    await run(url, `ALTER DATABASE ${theirs.pathname.slice(1)} OWNER TO CURRENT_USER`);
    await run(url, `DROP OWNED BY ${role}, ${owner}, ${other}; DROP ROLE ${role}, ${owner}, ${other}`);
  }
});

test('a server whose role --server-role has not admitted does not start, and says what the owner has to run', async () => {
  const role = `server_${randomUUID().slice(0, 8)}`;
  const theirs = Object.assign(new URL(url), { username: role, password: 'secret' }).href;
  const database = new URL(url).pathname.slice(1);
  const start = () => refusedStart({ DATABASE_URL: theirs, API_KEY_SECRET: 's'.repeat(64), PORT: '0' });
  await migrate(url);
  await run(url, `CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
  try {
    const reason =
      'the role in DATABASE_URL lacks a right: for a server, run npm run migrate -- --server-role NAME as the ' +
      'owner of the tables; for a command, use that owner';
    expect(await start()).toEqual({ code: 1, stdout: '', stderr: `${reason}\n` });
    await run(url, `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
    expect(await start()).toEqual({ code: 1, stdout: '', stderr: `${reason}\n` });
  } finally {
    await run(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('--server-role takes back what a restore lets everybody do: to call the functions that run as the owner', async () => {
  const role = `server_${randomUUID().slice(0, 8)}`;
  await migrate(url);
  await run(url, `CREATE ROLE ${role}`);
  const callable = `SELECT proname FROM pg_proc
                     WHERE pronamespace = 'public'::regnamespace AND prosecdef AND has_function_privilege('${role}', oid, 'EXECUTE')`;
  try {
    // As pg_restore --no-privileges leaves them.
    await run(url, 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC');
    expect(await run(url, callable)).toHaveLength(3);
    expect(await command(['--server-role', role])).toMatchObject({ code: 0, stderr: '' });
    expect(await run(url, callable)).toEqual([]);
  } finally {
    await run(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

/** Runs the command to its end. */
const command = (parameters: readonly string[], databaseUrl = url) =>
  runProgram(['dist/migrate.js', ...parameters], { env: { DATABASE_URL: databaseUrl } });
