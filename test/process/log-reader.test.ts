import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import autocannon from 'autocannon';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '../../deploy/replicas/programs.ts';
import { inherited } from '../support/environment-file.ts';
import { send } from '../support/http.ts';
import { openPipe } from '../support/pipe.ts';
import { build, hasEnded, makeFolder, repeatedIfTooSlow } from '../support/process.ts';
import { inTestRun } from '../support/test-run.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
beforeAll(build);

/** SHUTDOWN_GRACE_SECONDS, longer than the test may take, so that no exit can have waited for it. */
const grace = 3_600;

/** The most bytes that the server keeps for a slow reader, and the bytes that a pipe holds. */
const [capacity, pipe] = [8 * 1024 * 1024, 64 * 1024];

const requestId = 'x'.repeat(128);

/** Needs no key. */
const path = '/problems/rate-limited';

type Output = 'pipe' | 'ignore' | number;

/** A server with the given standard output; the shell command has to end with `node dist/server.js` or exec it. */
const startLogging = (stdout: Output, command: readonly string[] = [process.execPath, 'dist/server.js']) =>
  repeatedIfTooSlow(() => startOnce(stdout, command));

async function startOnce(stdout: Output, command: readonly string[]) {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const [origin, metrics] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${metricsPort}`];
  const database = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret };
  const ports = { PORT: String(port), METRICS_PORT: String(metricsPort) };
  const env = { ...inherited(), ...database, ...ports, SHUTDOWN_GRACE_SECONDS: String(grace) };
  const [program = '', ...parameters] = command;
  const child = spawn(program, parameters, { env, stdio: ['ignore', stdout, 'pipe'], detached: true });
  const end = inTestRun(child.pid);
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    end();
    await exit;
  });
  const said = child.stderr && textOf(child.stderr);
  const isReady = async () => (await send(origin, { method: 'GET', path: '/health/ready' })).status === 200;
  const isReadyOrEnded = async () => (await isReady().catch(() => false)) || child.exitCode !== null;
  await vi.waitUntil(isReadyOrEnded, { timeout: 60_000, interval: 20 });
  if (child.exitCode !== null) throw new Error(`it ended: ${await said}`);

  /** The value of a metric. */
  async function read(name: string): Promise<number> {
    const { text } = await send(metrics, { method: 'GET', path: '/metrics' });
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }
  return {
    child,
    origin,
    read,
    dropped: () => read('interview_agents_log_lines_dropped_total'),

    /** Sends requests that each make one log line of some 370 bytes, and expects 200 for each. */
    async log(amount: number): Promise<void> {
      const headers = { 'x-request-id': requestId };
      const result = await autocannon({ url: `${origin}${path}`, connections: 20, amount, headers });
      expect({ answered: result['2xx'], errors: result.errors }).toEqual({ answered: amount, errors: 0 });
    },

    /** Sends SIGTERM. @returns how the process ended */
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await exit;
      return { code, signal };
    },
  };
}

const linesOf = (text: string) => text.split('\n').filter((line) => line.includes(`"${requestId}"`));

test('with a pipe whose reader stops every request is answered, at most 8 MiB of lines are kept, the others are counted, and SIGTERM ends the process with 0', async () => {
  const { writer } = await openPipe();
  const server = await startLogging(writer);
  closeSync(writer);
  // The shortest line of such a request.
  const caller = { keyId: null, companyId: null, agentId: null, address: '127.0.0.1' };
  const answer = { status: 200, code: null, ms: 1, ...caller, msg: 'request' };
  const line = { level: 30, time: new Date().toISOString(), requestId, method: 'GET', route: path, ...answer };
  const amount = 25_000;
  await server.log(amount);
  const kept = amount - (await server.dropped());
  expect(kept * JSON.stringify(line).length).toBeLessThan(capacity + pipe);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('a slow reader gets whole lines in order, and the newest ones once it keeps up again', async () => {
  const fifo = await openPipe();
  const server = await startLogging(fifo.writer);
  closeSync(fifo.writer);
  await server.log(1_500);
  expect(await server.dropped()).toBe(0);
  await vi.waitUntil(() => linesOf(fifo.read()).length === 1_500, { timeout: 60_000, interval: 10 });
  await server.log(20);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  const text = fifo.read();
  expect(text).toMatch(/"msg":"stopped"\}\n$/);
  const log = text.split('\n').filter((line) => line.startsWith('{'));
  const requests = log.filter((line) => JSON.parse(line).msg === 'request');
  expect(requests.length).toBeGreaterThanOrEqual(1_520);
  const times = log.map((line) => String(JSON.parse(line).time));
  expect(times).toEqual(times.toSorted());
});

test('with a pipe whose reader exits requests are answered, lost lines are counted, the next reader gets new lines, and SIGTERM ends the process with 0', async () => {
  const fifo = await openPipe();
  const server = await startLogging(fifo.writer);
  closeSync(fifo.writer);
  const untilRead = (count: number) =>
    vi.waitUntil(() => linesOf(fifo.read()).length === count, { timeout: 60_000, interval: 10 });
  await server.log(100);
  await untilRead(100);
  fifo.closeReader();
  await server.log(1_000);
  await vi.waitUntil(async () => (await server.dropped()) >= 1_000, { timeout: 60_000 });
  fifo.openReader();
  await server.log(100);
  await untilRead(200);
  fifo.closeReader();
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('with a pipe that is full and whose reader exits at SIGTERM the process ends with 0', async () => {
  const fifo = await openPipe();
  const server = await startLogging(fifo.writer);
  closeSync(fifo.writer);
  await server.log(1_500);
  fifo.closeReader();
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('with a socket whose reader stops requests are answered, and SIGTERM ends the process with 0', async () => {
  const server = await startLogging('pipe');
  await server.log(1_500);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('with a socket whose reader exits requests are answered, lost lines are counted, and SIGTERM ends the process with 0', async () => {
  const server = await startLogging('pipe');
  server.child.stdout?.destroy();
  await server.log(1_000);
  await vi.waitUntil(async () => (await server.dropped()) >= 1_000, { timeout: 60_000 });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('with a full device requests are answered, lost lines are counted, and SIGTERM ends the process with 0', async () => {
  const full = openSync('/dev/full', 'w');
  const server = await startLogging(full);
  closeSync(full);
  await server.log(1_000);
  await vi.waitUntil(async () => (await server.dropped()) >= 1_000, { timeout: 60_000 });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('a file gets every line, in order, including the last one', async () => {
  const path = join(await makeFolder(), 'log');
  const file = openSync(path, 'w');
  const server = await startLogging(file);
  closeSync(file);
  await server.log(1_000);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  const text = readFileSync(path, 'utf8');
  expect(text).toMatch(/^Listening on http/m);
  expect(linesOf(text)).toHaveLength(1_000);
  expect(text).toMatch(/"msg":"stopping".*\n(.*\n)*.*"msg":"stopped"\}\n$/);
});

test('with a closed standard output requests are answered, and SIGTERM ends the process with 0', async () => {
  const server = await startLogging('ignore', ['sh', '-c', `exec ${process.execPath} dist/server.js >&-`]);
  await server.log(1_000);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

test('with a blocked terminal requests are answered, and SIGTERM ends the process', async () => {
  const pidFile = join(await makeFolder(), 'pid');
  const onTerminal = `stty -echo; echo $$ > ${pidFile}; exec ${process.execPath} dist/server.js`;
  // The output of the terminal program is not read, so it soon stops reading the terminal.
  const server = await startLogging('pipe', ['script', '--quiet', '--return', '--command', onTerminal, '/dev/null']);
  // In a session of its own, which does not end with the terminal program.
  const pid = Number(readFileSync(pidFile, 'utf8'));
  onTestFinished(async () => {
    if (!(await hasEnded(pid))) process.kill(pid, 'SIGKILL');
  });
  await server.log(1_500);
  process.kill(pid, 'SIGTERM');
  await vi.waitUntil(() => hasEnded(pid), { timeout: 60_000, interval: 20 });
});
