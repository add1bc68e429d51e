import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open as openFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../support/connection.ts';
import { dataDir, expectRefusal, folder, hold, open, useEmbedded } from '../support/embedded.ts';

useEmbedded();
beforeAll(async () => {
  const embedded = await open(dataDir, 'server');
  await run(embedded.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await embedded.close();
});

/** From now to the end of the test, each reading of a clock is an hour later than the one before. */
function hurry(clock: { now(): number }) {
  let ahead = 0;
  const now = clock.now.bind(clock);
  const hurried = vi.spyOn(clock, 'now').mockImplementation(() => {
    ahead += 3_600_000;
    return now() + ahead;
  });
  onTestFinished(() => hurried.mockRestore());
  return hurried;
}

test('a start and a stop take the time that they need while the clock of the machine is set forward', async () => {
  const hurried = hurry(Date);
  const embedded = await open(dataDir, 'server');
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
  hurried.mockRestore();
});

test('a recovery that takes longer than a minute is waited for, which is said once', async () => {
  const settings = join(dataDir, 'postgres', 'cluster', 'postgresql.conf');
  const text = await readFile(settings, 'utf8');
  // As a command that fetches the log, PostgreSQL reads from a pipe, and waits until there is a writer.
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', ['--mode=0644', pipe]);
  await writeFile(settings, `${text}\nhot_standby = off\nrestore_command = 'cat "${pipe}"; false'\n`);
  await writeFile(join(dataDir, 'postgres', 'cluster', 'recovery.signal'), '');
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());

  const opening = open(dataDir, 'server');
  const writer = await openFile(pipe, 'w');
  const hurried = hurry(performance);
  const readings = () => hurried.mock.calls.length;
  await Promise.race([vi.waitUntil(() => readings() > 3, { timeout: 60_000, interval: 1 }), opening]);
  await rm(pipe);
  await writer.close();
  const embedded = await opening;
  hurried.mockRestore();
  expect(said.mock.calls).toEqual([[expect.stringMatching(/^PostgreSQL in .* still recovers from a crash: [^\n]+$/)]]);
  expect(await run(embedded.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await embedded.close();
  await writeFile(settings, text);
});

describe('a start that has waited for a minute is refused in one line', () => {
  test.each([
    ['starting', /\(by its postmaster.pid, process \d+ starts or stops it\): if no PostgreSQL runs there, delete its/],
    ['ready', /\(connect ECONNREFUSED .*\): if no PostgreSQL runs there, delete its postmaster.pid$/],
  ])(
    'that says when to delete a postmaster.pid of before a crash, whose process id another program has: %s',
    async (status, message) => {
      const cluster = join(dataDir, 'postgres', 'cluster');
      const { uid, gid } = await stat(cluster);
      const other = spawn('cat', { uid, gid });
      const file = join(cluster, 'postmaster.pid');
      await writeFile(file, [other.pid, cluster, 0, 1, '', '', '', status].join('\n'));
      const hurried = hurry(performance);
      await expectRefusal(open(dataDir, 'server'), message);
      hurried.mockRestore();
      await rm(file);
      const ended = once(other, 'exit');
      other.kill();
      await ended;
    },
  );

  test('that leaves the file of a PostgreSQL that runs, while a command uses it', async () => {
    await hold(dataDir, 'operator');
    hurry(performance);
    await expectRefusal(open(dataDir, 'server'), /\(a command of the operator uses it\): try again later$/);
  });
});
