import { execFileSync } from 'node:child_process';
import { open as openFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../support/connection.ts';
import { dataDir, folder, open, useEmbedded } from '../support/embedded.ts';

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
