import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { importing } from '../support/node-options.ts';
import {
  build,
  embeddedUrl,
  hasEnded,
  makeDataDir,
  makeFolder,
  postgresPid,
  repeatedIfTooSlow,
  startProcess,
} from '../support/process.ts';
import { slowRecovery } from '../support/slow-recovery.ts';

beforeAll(build);

/** Making a cluster takes seconds, so the tests share one. */
const shared = await makeDataDir(afterAll);

test('closing the terminal, which sends SIGHUP to npm start and all of its processes, leaves no PostgreSQL running', async () => {
  const server = await repeatedIfTooSlow(async () => {
    const started = startProcess(['npm', 'start'], { env: { DATA_DIR: shared, PORT: '0' } });
    await started.until(/^(Listening on) /m);
    return started;
  });
  server.signalGroup('SIGHUP');
  // npm itself ends at once; the server's output with it.
  await server.exit;
  expect(server.stdout).toMatch(/"msg":"stopped"\}\n$/);
  expect(await postgresPid(shared)).toBeUndefined();
});

describe.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s to a command', (signal) => {
  test('while it runs: the command ends by that signal, its PostgreSQL is stopped, and the next command finds the data', async () => {
    const env = { DATA_DIR: shared };
    const company = await adminWith(env, 'company', 'create', '--name', signal);
    // The command waits for a key on its standard input.
    const command = startProcess([process.execPath, 'dist/admin.js', 'key', 'find'], { env });
    await vi.waitUntil(() => ownsPostgres(shared, command.pid), { timeout: 60_000, interval: 1 });
    command.signal(signal);
    expect(await command.exit).toEqual({ code: null, signal });
    await vi.waitUntil(async () => (await postgresPid(shared)) === undefined, { timeout: 60_000, interval: 10 });
    expect(await adminWith(env, 'company', 'list')).toContainEqual(company);
  });

  test('at the moment at which PostgreSQL starts: the command ends by that signal, and its PostgreSQL is stopped', async () => {
    const go = join(await makeFolder(), 'go');
    const env = { DATA_DIR: shared, NODE_OPTIONS: heldAtSpawn(go) };
    const command = startProcess([process.execPath, 'dist/admin.js', 'company', 'list'], { env });
    await vi.waitUntil(() => postgresPid(shared), { timeout: 60_000, interval: 1 });
    command.signal(signal);
    await writeFile(go, '');
    expect(await command.exit).toEqual({ code: null, signal });
    await vi.waitUntil(async () => (await postgresPid(shared)) === undefined, { timeout: 60_000, interval: 10 });
  });

  test('while PostgreSQL starts: the command ends by that signal, and its PostgreSQL is stopped', async () => {
    const file = join(await makeFolder(), 'pid');
    const env = { DATA_DIR: shared, NODE_OPTIONS: frozenAtSpawn(file) };
    const command = startProcess([process.execPath, 'dist/admin.js', 'company', 'list'], { env });
    const pid = Number(await vi.waitUntil(() => readFile(file, 'utf8').catch(() => ''), { timeout: 60_000 }));
    command.signal(signal);
    expect(await command.exit).toEqual({ code: null, signal });
    process.kill(pid, 'SIGCONT');
    await vi.waitUntil(() => hasEnded(pid), { timeout: 60_000, interval: 10 });
  });
});

test('a signal to a server at the moment at which PostgreSQL becomes ready ends both', async () => {
  const go = join(await makeFolder(), 'go');
  const env = { DATA_DIR: shared, PORT: '0', NODE_OPTIONS: heldAtSpawn(go) };
  const server = startProcess([process.execPath, 'dist/server.js'], { env });
  const file = join(shared, 'postgres', 'cluster', 'postmaster.pid');
  const isReady = async () => (await readFile(file, 'utf8').catch(() => '')).includes('ready');
  await vi.waitUntil(isReady, { timeout: 60_000, interval: 1 });
  server.signal('SIGINT');
  await writeFile(go, '');
  expect(await server.exit).toEqual({ code: 1, signal: null });
  expect(server.stderr).toMatch(/^PostgreSQL in .*\/cluster does not start: a signal has stopped it\n$/);
  expect(await postgresPid(shared)).toBeUndefined();
});

test('SIGTERM to a server that waits for a recovery of more than a minute ends both, and the next start finds the data', async () => {
  const env = { DATA_DIR: shared };
  const company = await adminWith(env, 'company', 'create', '--name', 'Recovered');
  const recovery = await slowRecovery(shared);
  const later = join(await makeFolder(), 'later');
  const options = { env: { ...env, PORT: '0', NODE_OPTIONS: anHourLater(later) } };
  const server = startProcess([process.execPath, 'dist/server.js'], options);
  const endRecovery = await recovery();
  await writeFile(later, '');
  await vi.waitUntil(() => server.stderr.includes('the start waits for it'), { timeout: 60_000, interval: 5 });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 1, signal: null });
  expect(server.stderr).toMatch(
    /^PostgreSQL in .* waits for it\nPostgreSQL in .* does not start: a signal has stopped it\n$/,
  );
  expect(await postgresPid(shared)).toBeUndefined();
  await endRecovery();
  expect(await adminWith(env, 'company', 'list')).toContainEqual(company);
});

/** Node's options under which the clock of a program is an hour ahead once a file exists. */
const anHourLater = (file: string) =>
  importing(`import { existsSync } from 'node:fs';
    const now = performance.now.bind(performance);
    performance.now = () => now() + (existsSync(${JSON.stringify(file)}) ? 3_600_000 : 0);`);

/** Node's options under which a program stands still from the start of PostgreSQL until a file exists. */
const heldAtSpawn = (file: string) =>
  afterSpawn(`const never = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(${JSON.stringify(file)})) Atomics.wait(never, 0, 0, 5);`);

/** Node's options under which PostgreSQL stands still from its start, and its process id is written to a file. */
const frozenAtSpawn = (file: string) =>
  afterSpawn(`child.kill('SIGSTOP'); writeFileSync(${JSON.stringify(file)}, String(child.pid));`);

/** Node's options under which a program runs `code` as soon as it has started PostgreSQL, its `child`. */
function afterSpawn(code: string): string {
  const hook = `import processes from 'node:child_process';
    import { existsSync, writeFileSync } from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { spawn } = processes;
    processes.spawn = (program, ...rest) => {
      const child = spawn(program, ...rest);
      if (program.endsWith('/postgres')) { ${code} }
      return child;
    };
    syncBuiltinESMExports();`;
  return importing(hook);
}

/** Whether a command holds the lock of the PostgreSQL that it started. */
async function ownsPostgres(dataDir: string, pid: number): Promise<boolean> {
  const lock = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                 WHERE locktype = 'advisory' AND application_name = 'operator ${pid}'`;
  const found = await run(await embeddedUrl(dataDir), lock).catch(() => []);
  return found.length > 0;
}
