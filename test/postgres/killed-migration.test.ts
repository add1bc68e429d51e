import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { build, runProgram, runToEnd, startProcess } from '../support/process.ts';
import { makeRelease } from '../support/release.ts';

const [, , record = ''] = commandsIn('docs/upgrade.md', 'When a migration fails');

beforeAll(build);

test('what a killed migrate had under way is undone at once, and applied after the UPDATE that the next one prints', async () => {
  const name = '8_column';
  const script = `SET LOCAL lock_timeout = '1h'; ALTER TABLE agent ADD COLUMN extra text; CREATE TABLE extra ();`;
  const { url, release, untilKilled, end } = await killedIn(name, script);
  // The lock is still held: the script has been given up, not carried out.
  await untilKilled();
  await end();
  expect(await run(url, "SELECT FROM pg_class WHERE relname = 'extra'")).toEqual([]);
  await repair(url, release, name);
  expect(await release.migrate()).toEqual({ code: 0, stdout: `applied ${name}\napplied 9_last\n`, stderr: '' });
});

test('a script that was carried out before migrate was killed is recorded as docs/upgrade.md says, and the rest is applied', async () => {
  const name = '8_drop_index';
  // As migrations dropped an index before the rule of IF EXISTS.
  const script = 'DROP INDEX CONCURRENTLY "agent_living_idx";';
  const { url, release, untilKilled, end } = await killedIn(name, script);
  await untilKilled();
  await end();
  // As if migrate had been killed between the script and its record.
  await run(url, script);
  await repair(url, release, name);
  const missing = `the migration ${name} failed with "index "agent_living_idx" does not exist"`;
  expect(await release.migrate()).toMatchObject({ code: 1, stderr: expect.stringContaining(missing) });

  const { PATH = '' } = process.env;
  const recorded = await runToEnd(['sh', '-euc', filled(record, { '…': name })], {
    env: { OWNER_URL: url, PATH: `${postgresCommands()}:${PATH}` },
  });
  expect(recorded).toEqual({ code: 0, stdout: 'UPDATE 1\n', stderr: '' });
  expect(await release.migrate()).toEqual({ code: 0, stdout: 'applied 9_last\n', stderr: '' });
  expect(await release.migrate()).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to apply') });
});

/** A database whose migrate was killed while a script waited for a lock that is still held. */
async function killedIn(name: string, script: string) {
  const url = (await openCluster())('postgres', 'postgres');
  const env = { DATABASE_URL: url };
  expect(await runProgram(['dist/migrate.js'], { env })).toMatchObject({ code: 0 });
  const cwd = await makeRelease({ [name]: script, '9_last': 'CREATE TABLE last ();' });
  const holder = await connect(url);
  onTestFinished(() => holder.end());
  // As a dump does, for longer than a session of this role may.
  await holder.query(
    'SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE agent IN ACCESS SHARE MODE',
  );
  const killed = startProcess([process.execPath, 'dist/migrate.js'], { env, cwd });
  const waits = () =>
    run(url, `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()`);
  await vi.waitUntil(async () => (await waits()).length === 1, waiting);
  killed.signal('SIGKILL');
  await killed.exit;
  return {
    url,
    release: { migrate: () => runProgram(['dist/migrate.js'], { env, cwd }) },
    untilKilled: () => vi.waitUntil(async () => (await waits()).length === 0, waiting),
    end: () => holder.query('COMMIT'),
  };
}

type Release = Awaited<ReturnType<typeof killedIn>>['release'];

/** Runs the UPDATE that migrate prints. */
async function repair(url: string, release: Release, name: string): Promise<void> {
  const refused = await release.migrate();
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`the migration ${name} failed before`) });
  const [, update = ''] = new RegExp(`run (UPDATE .*'${name}'.*); then migrate again`).exec(refused.stderr) ?? [];
  await run(url, update);
}

const waiting = { timeout: 60_000, interval: 20 };
