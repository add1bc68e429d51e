import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { connect } from '../support/connection.ts';
import { crash, ownersOf } from '../support/embedded.ts';
import { send } from '../support/http.ts';
import { build, embeddedUrl, makeDataDir, postgresPid, startServer } from '../support/process.ts';
import { isAlive } from '../support/test-run.ts';

beforeAll(build);

test('after a crash inside its PostgreSQL a server goes on; once that has ended, it ends with one line, and the next start finds the data', async () => {
  const DATA_DIR = await makeDataDir();
  const { server, origin } = await startServer({ DATA_DIR });
  const company = await adminWith({ DATA_DIR }, 'company', 'create', '--name', 'Acme');
  const url = await embeddedUrl(DATA_DIR);
  const before = await ownersOf(url);
  await crash(url);
  const hasOwnerAgain = async () => {
    const owners = await ownersOf(url).catch(() => []);
    return owners.length === 1 && owners[0] !== before[0];
  };
  await vi.waitUntil(hasOwnerAgain, { timeout: 60_000, interval: 10 });
  const isReady = async () => (await send(origin, { method: 'GET', path: '/health/ready' })).status === 200;
  await vi.waitUntil(isReady, { timeout: 60_000, interval: 10 });

  // Frozen, it outlives the postmaster and keeps its memory, as a process that waits for a disk does.
  const left = await connect(url);
  left.on('error', () => {});
  const { rows } = await left.query('SELECT pg_backend_pid() AS pid');
  const resume = () => isAlive(rows[0].pid) && process.kill(rows[0].pid, 'SIGCONT');
  onTestFinished(() => void resume());
  process.kill(rows[0].pid, 'SIGSTOP');
  process.kill(Number(await postgresPid(DATA_DIR)), 'SIGKILL');
  expect(await server.exit).toEqual({ code: 1, signal: null });
  expect(server.stderr).toMatch(/^PostgreSQL in \/.+\/cluster has ended: start the server again\n$/);

  const starting = startServer({ DATA_DIR });
  const log = () => readFile(join(DATA_DIR, 'postgres', 'postgres.log'), 'utf8');
  const isMet = async () => (await log()).includes('pre-existing shared memory block');
  await Promise.race([vi.waitUntil(isMet, { timeout: 60_000, interval: 1 }), starting]);
  resume();
  await starting;
  expect(await adminWith({ DATA_DIR }, 'company', 'list')).toContainEqual(company);
});
