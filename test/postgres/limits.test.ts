import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { connect, run } from '../support/connection.ts';
import { openCluster, postgresCommands } from '../support/debian-postgres.ts';
import { commandsIn, filled } from '../support/docs.ts';
import { build, runProgram, runToEnd, startProcess } from '../support/process.ts';

const [grown = '', repair = ''] = commandsIn('docs/operate.md', 'What grows');
const [, reindex = ''] = grown.split('\n');
const [check = ''] = commandsIn('docs/backup.md', 'Check');
const [nameInvalid = '', drop = ''] = repair.split('\n');

let admin: string;
let owner: string;
beforeAll(build);
beforeEach(async () => {
  const url = await openCluster();
  admin = url('postgres', 'interview_agents');
  owner = url('agents_owner', 'interview_agents');
  await run(url('postgres', 'postgres'), 'CREATE ROLE agents_owner LOGIN');
  await run(url('postgres', 'postgres'), 'CREATE DATABASE interview_agents OWNER agents_owner');
  expect(await runProgram(['dist/migrate.js'], { env: { DATABASE_URL: owner } })).toMatchObject({ code: 0 });
});

test.each([
  { what: 'REINDEX of docs/operate.md', commands: reindex, mode: 'ROW EXCLUSIVE' },
  { what: 'check of docs/backup.md', commands: check, mode: 'ACCESS EXCLUSIVE' },
])('the $what may take longer than the time limits of the role', async ({ commands, mode }) => {
  const release = await lockAgents(mode);
  await setLimits('statement_timeout', 'lock_timeout');
  const running = startProcess(['sh', '-euc', commands], shellOptions());
  await vi.waitUntil(async () => (await run(admin, waitingForAgents)).length === 1, waiting);
  await release();
  expect(await running.exit).toEqual({ code: 0, signal: null });
  expect(await run(admin, invalid)).toEqual([]);
});

test('the invalid indexes of a cancelled REINDEX are found and dropped as docs/operate.md describes, one of pg_toast by a superuser', async () => {
  // A REINDEX waits for this transaction after it has begun its new indexes.
  const release = await lockAgents('ROW EXCLUSIVE');
  await setLimits('lock_timeout');
  const cancelled = await shell(reindex.replace(/PGOPTIONS='[^']*' /, ''));
  expect(cancelled).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('canceling statement due to lock timeout'),
  });
  await release();
  const names = (await run(admin, invalid)).map(({ name }) => String(name));
  expect(names).toEqual(['agent_living_idx_ccnew', 'agent_pkey_ccnew', expect.stringMatching(/^pg_toast\..*_ccnew$/)]);
  const named = await shell(nameInvalid);
  for (const name of names) expect(named.stdout).toContain(` ${name}\n`);
  for (const name of names) {
    const { code } = await shell(filled(drop, { '…': name }), name.startsWith('pg_toast') ? admin : owner);
    expect([name, code]).toEqual([name, 0]);
  }
  expect(await run(admin, invalid)).toEqual([]);
});

const waiting = { timeout: 60_000, interval: 10 };
const invalid = 'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid ORDER BY 1';
const waitingForAgents = `SELECT FROM pg_stat_activity WHERE usename = 'agents_owner' AND wait_event_type = 'Lock'`;

/** @returns releases the lock */
async function lockAgents(mode: string) {
  const client = await connect(admin);
  onTestFinished(() => client.end());
  await client.query(`BEGIN; LOCK TABLE agent IN ${mode} MODE`);
  return () => client.query('COMMIT');
}

/** Sets such short limits for the role that no wait ends within them. */
async function setLimits(...limits: readonly string[]): Promise<void> {
  for (const limit of limits) {
    await run(admin, `ALTER ROLE agents_owner IN DATABASE interview_agents SET ${limit} = '1ms'`);
  }
}

const shellOptions = (url = owner) => ({
  env: { OWNER_URL: url, NEW_OWNER_URL: url, PATH: `${postgresCommands()}:${process.env['PATH']}` },
});
const shell = (commands: string, url = owner) => runToEnd(['sh', '-euc', commands], shellOptions(url));
