import { existsSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { send } from '../support/http.ts';
import { build, makeDataDir, postgresPid, runProgram, startServer } from '../support/process.ts';
import { repeatedIfLate } from '../support/too-slow.ts';

beforeAll(build);

test('without DATABASE_URL the command line uses the cluster in DATA_DIR, with and without a running server', async () => {
  const env = { DATA_DIR: await makeDataDir() };
  const company = await adminWith(env, 'company', 'create', '--name', 'First');
  expect(await postgresPid(env.DATA_DIR)).toBeUndefined();

  const { server, origin } = await startServer(env);
  const key = await adminWith(env, 'key', 'create', '--company', company.id);
  // The key is accepted, and the agent does not exist.
  const headers = { authorization: `Bearer ${key.key}`, 'content-type': 'application/json' };
  const answer = await repeatedIfLate(() => send(origin, { path: `/agents/${company.id}`, headers, body: '{}' }));
  expect(answer).toMatchObject({ status: 404, body: { code: 'RESOURCE_NOT_FOUND' } });
  const ready = await repeatedIfLate(() => send(origin, { method: 'GET', path: '/health/ready' }));
  expect(ready).toMatchObject({ status: 200 });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

test.each(['key create', 'key list', 'webhook list'])(
  '`%s` without an owner is refused before anything is made or started',
  async (command) => {
    const DATA_DIR = await makeDataDir();
    const outcome = await runProgram(['dist/admin.js', ...command.split(' ')], { env: { DATA_DIR } });
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: one of the options '--company <id>' and '--integration <id>'[^\n]* is required\n$/,
      ),
    });
    expect(existsSync(DATA_DIR)).toBe(false);
  },
);
