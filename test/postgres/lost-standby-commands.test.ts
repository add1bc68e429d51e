import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { loseStandby, openServer, openSession } from '../support/lost-standby.ts';
import { build, runProgram } from '../support/process.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'admin.js');

/** Sessions of commands that wait for the standby, for longer than the time limit of the role's statements. */
const overdue = `
  SELECT FROM pg_stat_activity WHERE usename = 'agents_owner' AND wait_event = 'SyncRep'
     AND query_start < clock_timestamp() - interval '2 seconds'`;

beforeAll(build);

test('while the commit of a command waits for a lost standby, commands that read print what they did before, and an agent is not made', async () => {
  const { admin, owner, env, company } = await openServer(onTestFinished);
  const [watch, rows] = [await openSession(admin), await openSession(owner)];
  const create = ['agent', 'create', '--company', company, '--name'];
  await adminWith(env, ...create, 'Interviewer');
  const read = async () => [
    await adminWith(env, 'audit', 'list'),
    await adminWith(env, 'agent', 'list', '--company', company),
    await adminWith(env, 'history', 'prune', '--older-than', '1'),
  ];
  const before = await read();
  const created = expect.arrayContaining([expect.objectContaining({ action: 'agent.created' })]);
  expect(before).toEqual([created, [expect.objectContaining({ name: 'Interviewer' })], { versions: 0, agents: 0 }]);

  const endOutage = await loseStandby(admin);
  const waiting = runProgram([program, 'company', 'create', '--name', 'Waiting'], { env });
  await vi.waitUntil(async () => (await watch.query(overdue)).rowCount === 1, { timeout: 60_000, interval: 20 });
  expect(await read()).toEqual(before);
  expect(await runProgram([program, ...create, 'Refused'], { env })).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: an earlier write still waits for its commit: this one was not begun, try again later\n',
  });
  expect((await watch.query(overdue)).rowCount).toBe(1);

  await endOutage();
  await waiting;
  expect((await rows.query('SELECT name FROM agent')).rows).toEqual([{ name: 'Interviewer' }]);
});
