import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { run } from '../support/connection.ts';
import { send } from '../support/http.ts';
import { build, embeddedUrl, makeDataDir, postgresPid, startProcess, startServer } from '../support/process.ts';

beforeAll(build);

/** Making a cluster takes seconds. */
const shared = await makeDataDir(afterAll);

test('without DATABASE_URL it works on the cluster in DATA_DIR, with no server running and beside one', async () => {
  const env = { DATA_DIR: await makeDataDir() };
  const company = await adminWith(env, 'company', 'create', '--name', 'First');
  expect(await postgresPid(env.DATA_DIR)).toBeUndefined();

  const { server, origin } = await startServer(env);
  const key = await adminWith(env, 'key', 'create', '--company', company.id);
  // The key is known; the agent is not.
  const headers = { authorization: `Bearer ${key.key}`, 'content-type': 'application/json' };
  const answer = await send(origin, { path: `/agents/${company.id}`, headers, body: '{}' });
  expect(answer).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_FOUND' } });
  expect(await send(origin, { method: 'GET', path: '/health/ready' })).toMatchObject({ status: 200 });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

describe.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s to a command', (signal) => {
  test.each([
    {
      when: 'while PostgreSQL starts',
      isReached: async (dataDir: string) => (await postgresPid(dataDir)) !== undefined,
    },
    { when: 'while it runs', isReached: ownsPostgres },
  ])(
    '$when: it ends by that signal, its PostgreSQL is stopped, and the next command finds the data',
    async ({ isReached }) => {
      const env = { DATA_DIR: shared };
      const company = await adminWith(env, 'company', 'create', '--name', signal);
      // Waits for the key on its standard input.
      const command = startProcess([process.execPath, 'dist/admin.js', 'key', 'find'], { env });
      await vi.waitUntil(() => isReached(shared, command.pid), { timeout: 60_000, interval: 1 });
      command.signal(signal);
      expect(await command.exit).toEqual({ code: null, signal });
      await vi.waitUntil(async () => (await postgresPid(shared)) === undefined, { timeout: 60_000, interval: 10 });
      expect(await adminWith(env, 'company', 'list')).toContainEqual(company);
    },
  );
});

/** Whether a command has the lock of the PostgreSQL that it started. */
async function ownsPostgres(dataDir: string, pid: number): Promise<boolean> {
  const lock = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                 WHERE locktype = 'advisory' AND application_name = 'operator ${pid}'`;
  const found = await run(await embeddedUrl(dataDir), lock).catch(() => []);
  return found.length > 0;
}
