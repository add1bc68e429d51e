import { beforeAll, expect, test, vi } from 'vitest';
import { run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn } from '../support/docs.ts';
import { build, runProgram, runToEnd } from '../support/process.ts';
import { makeRelease } from '../support/release.ts';

const [giveWay = '', giveBack = '', ...others] = commandsIn('docs/upgrade.md', 'When a migration fails');

beforeAll(build);

test('an autovacuum of the history, which no migration outlasts, gives way as docs/upgrade.md says', async () => {
  expect(others).toHaveLength(1);
  const url = (await openCluster())('postgres', 'postgres');
  const env = { DATABASE_URL: url };
  expect(await runProgram(['dist/migrate.js'], { env })).toMatchObject({ code: 0 });
  const script = `SET LOCAL lock_timeout = '500ms';\nALTER TABLE agent_version ADD COLUMN extra text;`;
  const cwd = await makeRelease({ '8_column': script });
  const migrate = () => runProgram(['dist/migrate.js'], { env, cwd });
  await startSlowVacuum(url);

  const failed = await migrate();
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('canceling statement due to lock timeout') });
  expect(await run(url, vacuuming)).toHaveLength(1);
  const [, repair = ''] = /run (UPDATE .*'8_column'.*); then migrate again/.exec(failed.stderr) ?? [];

  const PATH = `${postgresCommands()}:${process.env['PATH']}`;
  const shell = (block: string) => runToEnd(['sh', '-euc', block], { env: { OWNER_URL: url, PATH } });
  expect(await shell(giveWay)).toEqual({ code: 0, stdout: 'ALTER TABLE\n', stderr: '' });
  await run(url, repair);
  expect(await migrate()).toEqual({ code: 0, stdout: 'applied 8_column\n', stderr: '' });
  const isOff = "SELECT FROM pg_class WHERE relname = 'agent_version' AND 'autovacuum_enabled=false' = ANY(reloptions)";
  expect(await run(url, isOff)).toHaveLength(1);
  expect(await shell(giveBack)).toEqual({ code: 0, stdout: 'ALTER TABLE\n', stderr: '' });
  expect(await run(url, isOff)).toEqual([]);
});

const vacuuming = `SELECT FROM pg_stat_activity
                    WHERE backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: VACUUM%public.agent_version%'`;

/** Has PostgreSQL vacuum the history on its own, for minutes. */
async function startSlowVacuum(url: string): Promise<void> {
  await run(url, "ALTER SYSTEM SET autovacuum_naptime = '1s'");
  await run(url, 'SELECT pg_reload_conf()');
  const fill = `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
    SELECT gen_random_uuid(), 1, now(), jsonb_build_object('name', repeat('x', 1500)), '{}' FROM generate_series(1, 3000)`;
  await run(
    url,
    `SET statement_timeout = 0;
     ALTER TABLE agent_version SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
       autovacuum_vacuum_insert_threshold = 10, autovacuum_vacuum_insert_scale_factor = 0);
     ${fill}`,
  );
  await vi.waitUntil(async () => (await run(url, vacuuming)).length === 1, { timeout: 60_000, interval: 20 });
}
