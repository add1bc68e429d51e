import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { importing } from '../support/node-options.ts';
import { build, makeDataDir, postgresPid, repeatedIfTooSlow, runProgram, tooSlow } from '../support/process.ts';

beforeAll(build);

/** Making a cluster takes seconds, so the tests share one. */
const DATA_DIR = await makeDataDir(afterAll);

/**
 * Node's options under which PostgreSQL stands still from the moment at which a program is to stop it, as with a disk that hangs.
 * From then on, an hour passes between two looks at the clock.
 */
const stuck = importing(`
  const kill = process.kill.bind(process);
  const now = performance.now.bind(performance);
  let [ahead, step] = [0, 0];
  performance.now = () => now() + (ahead += step);
  process.kill = (pid, signal) => {
    if (signal === 'SIGINT') kill(pid, 'SIGSTOP');
    if (signal === 'SIGINT') step = 3_600_000;
    return kill(pid, signal);
  };`);

/** Runs a program to its end while PostgreSQL does not stop; then PostgreSQL goes on, and stops. */
const runStuck = (program: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  repeatedIfTooSlow(async () => {
    const ended = await runProgram(program, { env: { DATA_DIR, NODE_OPTIONS: stuck, ...env } });
    const pid = await postgresPid(DATA_DIR);
    if (pid !== undefined) process.kill(pid, 'SIGCONT');
    await vi.waitUntil(async () => (await postgresPid(DATA_DIR)) === undefined, { timeout: 60_000, interval: 10 });
    if (tooSlow.test(ended.stderr)) throw new Error(ended.stderr);
    return { ...ended, wasRunning: pid !== undefined };
  });

const refused = (line: RegExp) => ({ code: 1, stdout: '', stderr: expect.stringMatching(line), wasRunning: true });

test('where a start has failed and the embedded PostgreSQL does not stop, the reason of the failure is told', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const address = other.address();
  const PORT = String(typeof address === 'object' && address !== null ? address.port : 0);
  expect(await runStuck(['dist/server.js'], { PORT })).toEqual(
    refused(/^PORT \d+ on 127\.0\.0\.1 is taken by [^\n]+\n$/),
  );
});

test('where a command has failed and the embedded PostgreSQL does not stop, the reason of the failure is told', async () => {
  const command = ['dist/admin.js', 'company', 'rename', '--company', randomUUID(), '--name', 'Acme'];
  expect(await runStuck(command)).toEqual(refused(/^error: there is no company with the id [^\n]+\n$/));
});

test('where the embedded PostgreSQL cannot be used and does not stop, the first of both is told', async () => {
  await runProgram(['dist/admin.js', 'company', 'list'], { env: { DATA_DIR } });
  const file = join(DATA_DIR, 'postgres-password');
  const password = await readFile(file, 'utf8');
  onTestFinished(() => writeFile(file, password));
  await writeFile(file, 'another password');
  const line = /^error: the password in [^\n]+ does not open the cluster in [^\n]+\n$/;
  expect(await runStuck(['dist/admin.js', 'company', 'list'])).toEqual(refused(line));
});

test('where a command has succeeded and the embedded PostgreSQL does not stop, that is told', async () => {
  const line = /^error: PostgreSQL \(process \d+\) does not stop\n$/;
  const stdout = expect.stringMatching(/^\[/);
  expect(await runStuck(['dist/admin.js', 'company', 'list'])).toEqual({ ...refused(line), stdout });
});
