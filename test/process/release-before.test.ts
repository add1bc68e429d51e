import { beforeAll, expect, inject, test } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { commandsIn } from '../support/docs.ts';
import { emptyDatabase, queryOn } from '../support/empty-database.ts';
import { asServer } from '../support/global-setup.ts';
import { statementIn } from '../support/last-release.ts';
import { startLoad } from '../support/load.ts';
import { build, runProgram, startProcess } from '../support/process.ts';
import { buildCommit } from '../support/release.ts';

/** The last commit of the release before. */
const before = 'ccde7484be24c023d64632b2596282a6a05cfbe6';
const here = import.meta.dirname.replace(/\/test\/process$/, '');
const secret = 'a secret of this test alone, in no server';
const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
const [, , , check = ''] = commandsIn('backup.md');

beforeAll(build);

test('servers of the release before and of this one change the same agents at once, and each reads, repeats and restores what the other wrote', async () => {
  const folder = await buildCommit(before);
  const ownerUrl = await emptyDatabase();
  const env = { DATABASE_URL: asServer(ownerUrl, inject('serverRole')), API_KEY_SECRET: secret };
  const migrate = async (cwd: string) => {
    const program = ['dist/migrate.js', '--server-role', inject('serverRole')];
    const migrated = await runProgram(program, { cwd, env: { DATABASE_URL: ownerUrl } });
    expect(migrated.code, migrated.stderr).toBe(0);
  };
  const admin = async (...parameters: string[]) => {
    const { stdout, stderr } = await runProgram(['dist/admin.js', ...parameters], {
      cwd: folder,
      env: { ...env, DATABASE_URL: ownerUrl },
    });
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  };
  const start = async (cwd: string) => {
    const server = startProcess([process.execPath, 'dist/server.js'], {
      cwd,
      env: { ...env, ...limits, PORT: '0', NODE_ENV: 'production' },
    });
    return await server.until(/^Listening on (http:\S+)$/m);
  };

  await migrate(folder);
  const { id: company } = await admin('company', 'create', '--name', 'Acme');
  const { key }: { key: string } = await admin('key', 'create', '--company', company);
  const oldOrigin = await start(folder);
  const old = callsOf(oldOrigin);
  const draft = { name: 'Upgraded', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const agents: string[] = [];
  for (let count = 0; count < 4; count += 1) {
    const made = await old.call(key, 'POST /agents', { body: { ...draft, metadata: { z: 1, a: [null] } } });
    agents.push(Object(made.body).id);
  }

  // The release before is alone, then migrated under its load, then beside this one on the same agents.
  const loadOnOld = startLoad({ origin: oldOrigin, key, agents });
  await loadOnOld.more(40);
  await migrate(here);
  const origin = await start(here);
  const next = callsOf(origin);
  const loadOnNext = startLoad({ origin, key, agents: agents.toReversed() });
  await Promise.all([loadOnOld.more(100), loadOnNext.more(100)]);
  const sides = [
    { by: 'old', of: old, other: next },
    { by: 'next', of: next, other: old },
  ];
  for (const { by, of, other } of sides) {
    for (const [at, id] of agents.entries()) {
      const headers = { 'idempotency-key': `${by}-${at}` };
      const body = { name: `Kept by ${by}`, questions: [`By ${by}?`], metadata: { kept: { [by]: [at, null, 'é'] } } };
      const first = await of.patch(key, id, body, { headers });
      const repeated = await other.patch(key, id, body, { headers });
      expect([repeated.status, repeated.headers['idempotent-replayed']]).toEqual([200, 'true']);
      expect([repeated.text, repeated.headers['etag']]).toEqual([first.text, first.headers['etag']]);
    }
  }
  await Promise.all([loadOnOld.stop(), loadOnNext.stop()]);
  expect([...loadOnOld.failures, ...loadOnNext.failures]).toEqual([]);

  for (const id of agents) {
    const acknowledged = [loadOnOld, loadOnNext].map((load) => load.acknowledged.get(id) ?? 0);
    const shown = await next.call(key, `GET /agents/${id}`);
    expect((await old.call(key, `GET /agents/${id}`)).text).toBe(shown.text);
    const version = Number(JSON.parse(shown.headers.etag ?? '0'));
    expect(version).toBeGreaterThanOrEqual(Math.max(...acknowledged));
    const versions = await queryOn(ownerUrl, `SELECT version FROM agent_version WHERE agent_id = '${id}' ORDER BY 1`);
    expect(versions.map((row) => row['version'])).toEqual(Array.from({ length: version }, (_, at) => at + 1));
    // The first, and the last ten: the kept changes of both releases, and load of both around them.
    const some = [1, ...Array.from({ length: 10 }, (_, at) => version - at)].filter((number) => number >= 1);
    for (const [at, number] of some.entries()) {
      const path = `/agents/${id}/versions/${number}`;
      const [mine, theirs] = [await next.call(key, `GET ${path}`), await old.call(key, `GET ${path}`)];
      expect([mine.status, mine.body], path).toEqual([200, theirs.body]);
      const { companyPhoneNumberId, updatedAt, ...content } = Object(mine.body);
      const restored = await (at % 2 === 0 ? next : old).call(key, `POST ${path}/restore`);
      expect(restored, path).toMatchObject({ status: 200, body: content });
    }
  }
  expect(await queryOn(ownerUrl, statementIn(check))).toEqual([]);
});
