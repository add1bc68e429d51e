import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { longAnswer, openStuckClient } from '../support/stuck-client.ts';

test.each(['deploy/ha/roles.sql', 'deploy/replicas/roles.sql'])(
  'with the roles of %s, PostgreSQL ends the session of a server that takes nothing more of an answer, and its locks with it',
  async (file) => {
    const url = await openCluster();
    const admin = url('postgres', 'postgres');
    const env = { OWNER_PASSWORD: 'owner', SERVER_PASSWORD: 'server' };
    execFileSync(join(postgresCommands(), 'psql'), [admin, '--no-psqlrc', '--set=ON_ERROR_STOP=1', `--file=${file}`], {
      env,
      stdio: 'ignore',
    });
    await openStuckClient(url('agents_server', 'postgres'), longAnswer('pg_advisory_xact_lock(7),'));
    const isStuck = async () =>
      (await run(admin, "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite'")).length === 1;
    await vi.waitUntil(isStuck, { timeout: 60_000, interval: 20 });
    const other = await connect(admin);
    onTestFinished(() => other.end());
    await other.query("SET statement_timeout = '60s'");
    await other.query('SELECT pg_advisory_lock(7)');
    // The locks of a session that ends are given up just before it.
    await expect.poll(() => run(admin, "SELECT FROM pg_stat_activity WHERE usename = 'agents_server'")).toEqual([]);
  },
);
