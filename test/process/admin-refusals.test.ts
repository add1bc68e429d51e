import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { writeRoleSettings } from '../../src/database/server-role.ts';
import { withMigrationLock } from '../../src/database/session.ts';
import { run } from '../support/connection.ts';
import { emptyDatabase, namesInFolder } from '../support/empty-database.ts';
import { operatorOf, runOperator } from '../support/operator.ts';
import { build, runProgram } from '../support/process.ts';
import { openWorld } from '../support/world.ts';

const adminProgram = join(import.meta.dirname, '..', '..', 'dist', 'admin.js');
const nowhere = '00000000-0000-4000-8000-000000000000';

const world = await openWorld();
let companyId: string;
let agentId: string;
let keyId: string;
let taken: string;

beforeAll(async () => {
  build();
  ({ id: companyId, keyId } = await world.company());
  const other = await world.company();
  taken = (await world.companies.addPhoneNumber(other.id, '+12025550199')).number;
  agentId = (await world.agent(companyId)).id;
});

const ofCompany = () => ['--company', companyId];
const agent = (json: string) => ['agent', 'create', ...ofCompany(), '--name', 'New agent', '--json', json];
const key = (...options: string[]) => ['key', 'create', ...ofCompany(), ...options];
const update = (...options: string[]) => ['key', 'update', '--key', keyId, ...options];
const prune = (...options: string[]) => ['history', 'prune', ...options];
const number = (text: string) => ['phone-number', 'add', ...ofCompany(), '--number', text];

/** The command, and the pattern of its one line on stderr. */
const refusals: readonly [parameters: () => string[], says: RegExp][] = [
  [() => ['company', 'create', '--name', 'A', '--nmae', 'B'], /unknown option '--nmae'.*Did you mean --name\?/],
  [() => ['company', 'craete'], /unknown command 'craete'.*Did you mean create\?/],
  [() => ['company', 'create'], /required option '--name <text>'/],
  [() => ['company', 'create', '--name', ' '], /--name.*must not be empty/],
  [() => ['company', 'create', '--name', '\u00a0\u0085'], /--name.*must not be empty/],
  [() => ['company', 'rename', ...ofCompany(), '--name', ''], /--name.*must not be empty/],
  [() => ['company', 'rename', '--company', nowhere, '--name', 'A'], new RegExp(`company.*${nowhere}`)],
  [() => ['company', 'erase', '--company', nowhere, '--confirm', 'A'], new RegExp(`company.*${nowhere}`)],
  [() => ['company', 'erase', ...ofCompany()], /required option '--confirm <name>'/],
  [() => ['company', 'export', '--company', nowhere], new RegExp(`company.*${nowhere}`)],
  [() => ['integration', 'grant', '--integration', nowhere, ...ofCompany()], new RegExp(`integration.*${nowhere}`)],
  [() => ['agent', 'list', '--company', nowhere], new RegExp(`company.*${nowhere}`)],
  [() => ['agent', 'list', '--company', '7'], /--company.*must be a UUID/],
  [() => ['agent', 'delete', '--id', nowhere], new RegExp(`agent.*${nowhere}`)],
  [() => ['agent', 'purge', '--id', agentId], /there is no deleted agent/],
  [() => ['key', 'create'], /--company.*--integration/],
  [() => key('--integration', nowhere), /--company.*--integration/],
  [() => ['key', 'revoke', '--key', nowhere], new RegExp(`key.*${nowhere}`)],
  [() => key('--scopes', 'write:agents,all'), /--scopes.*read:agents,write:agents,delete:agents/],
  [() => key('--expires', 'tomorrow'), /--expires.*2030-01-31T12:00:00Z/],
  [() => key('--expires', '2030-02-31'), /--expires.*2030-01-31T12:00:00Z/],
  [() => key('--expires', '2020-01-31T12:00:00Z'), /--expires.*must be in the future/],
  [() => update('--expires', '2020-01-31T12:00:00Z'), /--expires.*must be in the future/],
  [() => update(), /at least one option/],
  [() => update('--name', ' '), /--name.*must not be empty/],
  [() => update('--scopes', ''), /--scopes.*read:agents/],
  [() => update('--per-minute', 'nothing'), /--per-minute.*whole number of requests/],
  [() => update('--allow-ip', 'none', '--allow-ip', '192.0.2.7'), /--allow-ip.*beside none/],
  [() => update('--allow-ip', '192.0.2.7', '--allow-ip', 'none'), /--allow-ip.*beside none/],
  [() => ['key', 'update', '--key', nowhere, '--name', 'A'], new RegExp(`key.*${nowhere}`)],
  [() => prune(), /required option '--older-than <days>'/],
  [() => prune('--older-than', '0'), /--older-than.*whole number of days, from 1/],
  [() => prune('--older-than', '1.5'), /--older-than.*whole number of days, from 1/],
  [() => prune('--older-than', '30', '--keep', '0'), /--keep.*whole number of versions, from 1/],
  [() => number(taken), /the number is active already/],
  [() => key('--allow-ip', '10.0.0.0/33'), /--allow-ip.*192\.0\.2\.7 or 2001:db8::\/32/],
  [() => key('--allow-ip', '10.0.0.7', '--allow-ip', 'localhost'), /--allow-ip.*192\.0\.2\.7 or 2001:db8::\/32/],
  [() => key('--per-minute', '1e3'), /--per-minute.*whole number of requests/],
  [() => key('--per-hour', '-1'), /--per-hour.*whole number of requests/],
  [() => number('2025550123'), /--number.*E\.164/],
  [() => number('+0123'), /--number.*E\.164/],
  [() => ['phone-number', 'deactivate', '--id', nowhere], new RegExp(`phone number.*${nowhere}`)],
  [() => ['audit', 'list', '--limit', '0'], /--limit.*whole number from 1/],
  [() => ['audit', 'list', '--since', 'yesterday'], /--since.*2030-01-31T12:00:00Z/],
  [() => agent('{'), /--json.*must be a JSON object/],
  [() => agent('{"duration":181,"color":1}'), /2 problems: (?=.*#\/duration must be at most 180)(?=.*#\/color)/],
  [() => agent(`{"companyPhoneNumberId":"${nowhere}"}`), /1 problem: #\/companyPhoneNumberId/],
  [() => agent('{"type":"PHONE"}'), /1 problem: #\/companyPhoneNumberId/],
  [() => agent('{"metadata":{"a":{"b":{"c":{"d":{"e":{}}}}}}}'), /1 problem: #\/metadata/],
];

test('every refused command prints one line on stderr and nothing on stdout, exits with 1, and changes nothing', async () => {
  const rows = async () => {
    const tables = [
      'company',
      'integration',
      'api_key',
      'company_phone_number',
      'agent',
      'integration_company',
      'audit_entry',
    ];
    const counts = tables.map((table) => world.sql.query(`SELECT '${table}' AS table, count(*)::int FROM ${table}`));
    return (await Promise.all(counts)).flatMap((result) => result.rows);
  };
  const before = await rows();
  for (const [parameters, says] of refusals) {
    const outcome = await operatorOf(world)(parameters());
    expect({ parameters: parameters(), ...outcome }).toEqual({
      parameters: parameters(),
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: [^\n]+\n$/),
    });
    expect(outcome.stderr).toMatch(says);
  }
  expect(await rows()).toEqual(before);
});

test('errors of the database are printed in a sentence of the program, by the built program too', async () => {
  const create = async (url: string) => {
    const env = { DATABASE_URL: url, API_KEY_SECRET: world.secret };
    return await runProgram([adminProgram, 'company', 'create', '--name', 'A'], { env });
  };
  const reason = (text: string) => ({ code: 1, stdout: '', stderr: `error: ${text}\n` });
  const withUser = (username: string, password: string) =>
    Object.assign(new URL(world.ownerUrl), { username, password }).href;
  expect(await create(world.databaseUrl)).toEqual(
    reason(
      'the role in DATABASE_URL lacks a right: for a server, run npm run migrate -- --server-role NAME as the ' +
        'owner of the tables; for a command, use that owner',
    ),
  );
  // A PostgreSQL that trusts whoever connects has another code for it, whose sentence says more.
  expect(await create(withUser('nobody_there', 'wrong'))).toEqual({
    ...reason(''),
    stderr: expect.stringMatching(/^error: the database refuses the user or the password of DATABASE_URL[^\n]*\n$/),
  });
  expect(await create('postgresql://a:b@127.0.0.1:1/c')).toEqual(
    reason('the database cannot be reached: nothing listens at its address (ECONNREFUSED)'),
  );
  const url = await emptyDatabase();
  await withMigrationLock(url, writeRoleSettings);
  expect(await create(url)).toEqual(
    reason(
      `DATABASE_URL lacks migrations (${(await namesInFolder()).join(', ')}): run npm run migrate as the owner of the tables`,
    ),
  );
});

test('a database that a later release has migrated is neither erased, pruned, purged nor exported', async () => {
  const { id: companyId } = await world.company();
  const { id } = await world.agent(companyId);
  await world.deleteAgent(id);
  await world.sql.query(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
     VALUES ('later', '', '29990101000000_later', now(), 1)`,
  );
  onTestFinished(async () => {
    await world.sql.query("DELETE FROM _prisma_migrations WHERE id = 'later'");
  });
  const reason = 'error: a later release has migrated this database: run this command from that release\n';
  const stored = async () => [
    await world.row(id),
    await world.history(id),
    await world.sql.query('SELECT action FROM audit_entry').then(({ rows }) => rows),
  ];
  const before = await stored();
  for (const command of [
    prune('--older-than', '1'),
    ['company', 'erase', '--company', companyId, '--confirm', 'Test company'],
    ['company', 'export', '--company', companyId],
    ['agent', 'purge', '--id', id],
  ]) {
    expect(await operatorOf(world)(command)).toEqual({ code: 1, stdout: '', stderr: reason });
  }
  expect(await stored()).toEqual(before);
  expect(await operatorOf(world)(['company', 'list'])).toMatchObject({ code: 0 });
});

test('in a database whose sessions have another time zone than UTC commands are refused until migrate has run', async () => {
  const url = await emptyDatabase();
  await migrate(url);
  const name = new URL(url).pathname.slice(1);
  await run(url, `ALTER ROLE CURRENT_USER IN DATABASE ${name} SET TimeZone = 'Asia/Kolkata'`);
  const create = () =>
    runOperator({ DATABASE_URL: url, API_KEY_SECRET: world.secret }, ['company', 'create', '--name', 'A']);
  expect(await create()).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: DATABASE_URL: TimeZone is Asia/Kolkata, expected UTC: run npm run migrate as this role\n',
  });
  expect(await run(url, 'SELECT FROM company')).toEqual([]);
  await migrate(url);
  expect(await create()).toMatchObject({ code: 0, stderr: '' });
});
