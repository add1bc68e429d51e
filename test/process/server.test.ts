import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect } from '../support/connection.ts';
import { curlsIn, paste } from '../support/curl.ts';
import { type Answer, send } from '../support/http.ts';
import {
  build,
  demoPrinted,
  embeddedUrl,
  makeDataDir,
  postgresPid,
  repeatedIfTooSlow,
  type Started,
  startProcess,
  startServer,
} from '../support/process.ts';
import { repeatedIfLate, unlessTooSlow } from '../support/too-slow.ts';

beforeAll(build);

/** A DATA_DIR for all tests that do not need a first start, because making a cluster takes seconds. */
const shared = await makeDataDir(afterAll);

const agent = {
  name: 'Frontend Developer Interview',
  type: 'PHONE',
  focus: 'SCREENING',
  language: 'EN',
  questions: ['What is your experience with React?'],
};

async function modeOf(dataDir: string, name: string): Promise<number> {
  return (await stat(join(dataDir, name))).mode & 0o777;
}

interface Demo {
  readonly agentId: string;
  readonly companyKey: string;
}

const patchDemo = async (origin: string, dataDir: string, body: object): Promise<Answer> => {
  const demo: Demo = JSON.parse(await readFile(join(dataDir, 'demo.json'), 'utf8'));
  const headers = { authorization: `Bearer ${demo.companyKey}`, 'content-type': 'application/json' };
  return repeatedIfLate(() => send(origin, { path: `/agents/${demo.agentId}`, headers, body: JSON.stringify(body) }));
};

async function stop(server: Started): Promise<void> {
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
}

describe('start after start on one DATA_DIR', () => {
  test('the first prints two curl commands that work, the next finds the data and prints the same keys; secrets are not readable by others and not logged', async () => {
    const dataDir = await makeDataDir();
    const first = await startServer({ DATA_DIR: dataDir });
    const curls = curlsIn(first.server.stdout);
    expect(curls).toHaveLength(2);
    const [company = '', ats = ''] = curls;
    expect(await paste(company)).toMatchObject({
      status: 200,
      body: { ...agent, duration: 45, metadata: { department: 'Engineering' }, backgroundSound: null },
    });
    expect(await paste(ats)).toMatchObject({
      status: 200,
      body: { ...agent, duration: 45, metadata: { department: 'Engineering', source: 'ats' }, backgroundSound: 'OFF' },
    });
    expect(first.server.stderr).toBe('');
    await stop(first.server);
    expect(await postgresPid(dataDir)).toBeUndefined();

    const secretFiles = ['api-key-secret', 'demo.json', 'postgres-password'];
    expect((await readdir(dataDir)).toSorted()).toEqual([...secretFiles, 'postgres'].toSorted());
    for (const name of secretFiles) expect([name, await modeOf(dataDir, name)]).toEqual([name, 0o600]);

    const second = await startServer({ DATA_DIR: dataDir, LOG_LEVEL: 'trace' });
    const keysOf = (text: string) => text.match(/sk_\w{43}/g);
    expect(keysOf(second.server.stdout)).toEqual(keysOf(first.server.stdout));
    expect(keysOf(second.server.stdout)).toHaveLength(2);
    const kept = await patchDemo(second.origin, dataDir, {});
    expect(kept).toMatchObject({ status: 200, headers: { etag: '"3"' }, body: { backgroundSound: 'OFF' } });
    await stop(second.server);
    const log = second.server.stdout.split('\n').filter((line) => line.startsWith('{'));
    expect(log.length).toBeGreaterThan(2);
    expect(log.join('')).not.toMatch(/sk_\w{9}/);
  });

  test('after a kill the server adopts the running PostgreSQL, says so, and finds the data', async () => {
    const dataDir = shared;
    const first = await startServer({ DATA_DIR: dataDir });
    const saved = await patchDemo(first.origin, dataDir, { name: randomUUID() });
    expect(saved).toMatchObject({ status: 200 });
    first.server.signal('SIGKILL');
    await first.server.exit;
    const left = await postgresPid(dataDir);
    expect(left).toBeDefined();

    const second = await startServer({ DATA_DIR: dataDir });
    expect(second.server.stdout).toMatch(
      /^adopted the PostgreSQL that was left running in .*\/data\/postgres\/cluster$/m,
    );
    expect(await postgresPid(dataDir)).toBe(left);
    const { status, headers, body } = await patchDemo(second.origin, dataDir, {});
    expect([status, headers['etag'], body]).toEqual([200, saved.headers['etag'], saved.body]);
    await stop(second.server);
    expect(await postgresPid(dataDir)).toBeUndefined();
  });
});

/** Another session's lock on all agents. */
async function lockAgents(dataDir: string): Promise<pg.Client> {
  const client = await connect(await embeddedUrl(dataDir));
  // It ends with PostgreSQL at the latest.
  onTestFinished(() => client.end().catch(() => {}));
  await client.query('SET idle_in_transaction_session_timeout = 0; BEGIN');
  await client.query('SELECT FROM agent FOR UPDATE');
  return client;
}

async function untilWaiting(client: pg.Client): Promise<void> {
  const sql = `SELECT FROM pg_locks WHERE NOT granted`;
  await vi.waitUntil(async () => ((await client.query(sql)).rowCount ?? 0) > 0, { timeout: 60_000, interval: 10 });
}

describe('stop', () => {
  const node = [process.execPath, 'dist/server.js'];
  const npm = ['npm', 'start'];
  test.each([
    { how: 'SIGTERM, twice', command: node, tell: (server: Started) => server.signal('SIGTERM') },
    { how: 'SIGHUP, twice', command: node, tell: (server: Started) => server.signal('SIGHUP') },
    {
      how: 'Ctrl-C in npm start, which reaches the whole process group, and the server twice',
      command: npm,
      tell: (server: Started) => server.signalGroup('SIGINT'),
    },
  ])(
    '$how: the running request is answered 200, PostgreSQL is stopped, and the exit code is 0',
    async ({ command, tell }) => {
      const dataDir = shared;
      await unlessTooSlow(async ({ timed, atEnd }) => {
        const name = randomUUID();
        const { server, origin } = await repeatedIfTooSlow(async () => {
          const started = startProcess(command, { env: { DATA_DIR: dataDir, PORT: '0' }, atEnd });
          const listening = await started.until(/^Listening on (http:\S+)$/m);
          await started.until(demoPrinted);
          return { server: started, origin: listening };
        });
        const holder = await lockAgents(dataDir);
        const running = timed(patchDemo(origin, dataDir, { name }));
        await Promise.race([untilWaiting(holder), running]);
        tell(server);
        await server.until(/("msg":"stopping")/);
        tell(server);
        await holder.query('ROLLBACK');
        expect(await running).toMatchObject({ status: 200, headers: { connection: 'close' }, body: { name } });
        expect(await server.exit).toEqual({ code: 0, signal: null });
        expect(server.stdout.match(/"msg":"stopping"/g)).toHaveLength(1);
        expect(server.stdout).toMatch(/"msg":"stopped"\}\n$/);
        expect(await postgresPid(dataDir)).toBeUndefined();
      });
    },
  );

  test('after SHUTDOWN_GRACE_SECONDS a running request is cut off, and the exit code is 0', () =>
    unlessTooSlow(async ({ timed, atEnd }) => {
      const dataDir = shared;
      const { server, origin } = await startServer({ DATA_DIR: dataDir, SHUTDOWN_GRACE_SECONDS: '0' }, { atEnd });
      const holder = await lockAgents(dataDir);
      const running = timed(patchDemo(origin, dataDir, { name: randomUUID() })).catch((error: unknown) => error);
      await Promise.race([untilWaiting(holder), running]);
      server.signal('SIGTERM');
      expect(await running).toBeInstanceOf(Error);
      expect(await server.exit).toEqual({ code: 0, signal: null });
      expect(await postgresPid(dataDir)).toBeUndefined();
    }));
});
