import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { build, runProgram, runToEnd, startProcess } from '../support/process.ts';
import { makeRelease } from '../support/release.ts';

const [record = ''] = commandsIn('docs/upgrade.md', 'When a migration fails');

const name = '8_drop_index';

/** Migrations that drop an index without IF EXISTS, as before that rule. */
const script = 'DROP INDEX CONCURRENTLY "agent_living_idx";';

beforeAll(build);

test('an index drop that finished after migrate was killed is recorded as docs/upgrade.md describes, and the rest is applied', async () => {
  const url = (await openCluster())('postgres', 'postgres');
  const env = { DATABASE_URL: url };
  expect(await runProgram(['dist/migrate.js'], { env })).toMatchObject({ code: 0 });
  const cwd = await makeRelease({ [name]: script, '9_last': 'CREATE TABLE last ();' });
  const migrate = () => runProgram(['dist/migrate.js'], { env, cwd });

  const holder = await connect(url);
  onTestFinished(() => holder.end());
  // Takes the lock that a dump takes.
  await holder.query('BEGIN; LOCK TABLE agent IN ACCESS SHARE MODE');
  const killed = startProcess([process.execPath, 'dist/migrate.js'], { env, cwd });
  const dropping = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${script}%'`;
  await vi.waitUntil(async () => (await run(url, dropping)).length === 1, waiting);
  killed.signal('SIGKILL');
  await killed.exit;
  await holder.query('COMMIT');
  const index = "SELECT FROM pg_class WHERE relname = 'agent_living_idx'";
  await vi.waitUntil(async () => (await run(url, index)).length === 0, waiting);

  const refused = await migrate();
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`${name} failed, or is being applied`) });
  const [repair = ''] = /UPDATE .*'8_drop_index'/.exec(refused.stderr) ?? [];
  await run(url, repair);
  const missing = `the migration ${name} failed with "index "agent_living_idx" does not exist"`;
  expect(await migrate()).toMatchObject({ code: 1, stderr: expect.stringContaining(missing) });

  const { PATH = '' } = process.env;
  const recorded = await runToEnd(['sh', '-euc', filled(record, { '…': name })], {
    env: { OWNER_URL: url, PATH: `${postgresCommands()}:${PATH}` },
  });
  expect(recorded).toEqual({ code: 0, stdout: 'UPDATE 1\n', stderr: '' });
  expect(await migrate()).toEqual({ code: 0, stdout: 'applied 9_last\n', stderr: '' });
  expect(await migrate()).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to apply') });
});

const waiting = { timeout: 60_000, interval: 20 };
