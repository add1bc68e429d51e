import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { adminWith } from '../support/admin.ts';
import { emptied } from '../support/environment-file.ts';
import { send } from '../support/http.ts';
import { build, makeDataDir, makeFolder, postgresPid, runProgram, startServer } from '../support/process.ts';
import { repeatedIfLate } from '../support/too-slow.ts';

beforeAll(build);

/** Variables that a shell may have for other databases; each alone would prevent a client or a program from working. */
const forOthers = {
  PGHOST: '192.0.2.1',
  PGHOSTADDR: '192.0.2.1',
  PGPORT: '1',
  PGDATABASE: 'nowhere',
  PGUSER: 'somebody',
  PGPASSWORD: 'wrong',
  PGPASSFILE: '/nonexistent',
  PGSERVICE: 'nowhere',
  PGSERVICEFILE: '/nonexistent',
  PGSSLMODE: 'verify-full',
  PGSSLNEGOTIATION: 'direct',
  PGSSLROOTCERT: '/nonexistent',
  PGOPTIONS: '-c search_path=nowhere -c default_transaction_read_only=on',
  PGREPLICATION: 'database',
  PGCLIENTENCODING: 'LATIN1',
  PGCLIENT_ENCODING: 'LATIN1',
  PGBINARY: 'true',
  PGTZ: 'Asia/Tokyo',
  PGDATESTYLE: 'German',
  PGDATA: '/nonexistent',
  PG_COLOR: 'always',
};

test('PG* variables of the shell do not affect the embedded database, its server and the command line', async () => {
  const env = { ...forOthers, DATA_DIR: await makeDataDir() };
  const company = await adminWith(env, 'company', 'create', '--name', 'First');
  expect(await postgresPid(env.DATA_DIR)).toBeUndefined();
  const { server, origin } = await startServer(env);
  const beside = await adminWith(env, 'company', 'list');
  expect(beside).toContainEqual(company);
  const ready = await repeatedIfLate(() => send(origin, { method: 'GET', path: '/health/ready' }));
  expect(ready).toMatchObject({ status: 200 });
  server.signal('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
  expect(await postgresPid(env.DATA_DIR)).toBeUndefined();
});

test('a program that is given the variables of a `.env` empty, as tests give those of the checkout, has none of its values', async () => {
  const cwd = await makeFolder();
  await writeFile(join(cwd, '.env'), '\uFEFFDATABASE_URL=mysql://host/agents\nPORT=x\n');
  const server = join(import.meta.dirname, '..', '..', 'dist', 'server.js');
  const start = (given: Record<string, string>) =>
    runProgram([server], { cwd, env: { ...given, DATA_DIR: '/dev/null/data' } });
  expect(await start({})).toMatchObject({ code: 1, stderr: expect.stringMatching(/^PORT must be /) });
  expect(await start(emptied(cwd))).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^DATA_DIR [^\n]+\n$/),
  });
});
