import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, onTestFinished, vi } from 'vitest';
import { adminWith } from './admin.ts';
import { connect, run } from './connection.ts';
import { openCluster } from './debian-postgres.ts';
import { type AtEnd, runProgram, startServer } from './process.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'migrate.js');

/** Connections of each server. */
export const pool = 4;

/** A PostgreSQL whose owner and server have roles of their own, prepared as for production, and a server on it. */
export async function openServer(atEnd: AtEnd) {
  const url = await openCluster();
  const admin = url('postgres', 'postgres');
  await run(admin, 'CREATE ROLE agents_owner LOGIN; CREATE ROLE agents_server LOGIN');
  await run(admin, 'CREATE DATABASE interview_agents OWNER agents_owner');
  const owner = url('agents_owner', 'interview_agents');
  const server = url('agents_server', 'interview_agents');
  const migrations = [
    { env: { DATABASE_URL: owner }, parameters: [program, '--server-role', 'agents_server'] },
    { env: { DATABASE_URL: server }, parameters: [program] },
  ];
  for (const { env, parameters } of migrations)
    expect(await runProgram(parameters, { env })).toMatchObject({ code: 0 });
  const env = { DATABASE_URL: owner, API_KEY_SECRET: randomUUID().repeat(2) };
  const { id: company } = await adminWith(env, 'company', 'create', '--name', 'Acme');
  const scopes = 'read:agents,write:agents,delete:agents,read:webhooks,write:webhooks';
  const { key } = await adminWith(env, 'key', 'create', '--company', company, '--scopes', scopes);
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  const settings = { ...env, DATABASE_URL: server, DATABASE_POOL: `${pool}`, ...limits };
  const start = () => startServer(settings, { atEnd });
  return { admin, owner, env, company, start, ...(await start()), key };
}

export async function openSession(url: string): Promise<pg.Client> {
  const client = await connect(url);
  onTestFinished(() => client.end());
  return client;
}

/** Makes commits wait for a standby that does not exist. @returns ends this */
export async function loseStandby(admin: string): Promise<() => Promise<void>> {
  const [witness, watch] = [await openSession(admin), await openSession(admin)];
  const setStandbys = async (names: string) => {
    await watch.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await watch.query('SELECT pg_reload_conf()');
  };
  await setStandbys('nobody');
  // PostgreSQL begins to wait a moment later: once a commit of the test waits, those of servers do too.
  let isCommitting = false;
  const waits = async () => {
    if (!isCommitting) {
      isCommitting = true;
      const ended = () => {
        isCommitting = false;
      };
      witness.query('CREATE TEMP TABLE witness (); DROP TABLE witness').then(ended, ended);
    }
    return (await watch.query("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).rowCount !== 0;
  };
  await vi.waitUntil(waits, { timeout: 60_000, interval: 20 });
  return () => setStandbys('');
}
