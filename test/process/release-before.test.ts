import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { callsOf } from '../support/calls.ts';
import { run } from '../support/connection.ts';
import { restoreCheck } from '../support/docs.ts';
import { emptyDatabase } from '../support/empty-database.ts';
import { asServer } from '../support/global-setup.ts';
import { startLoad } from '../support/load.ts';
import { build, runProgram, startServer } from '../support/process.ts';
import { buildCommit, migrateUnderLoad } from '../support/release.ts';
import { versionIn } from '../support/stored-agent.ts';
import { type Attempt, lockLimit, unlessTooSlow } from '../support/too-slow.ts';

/** The last commit of the previous release. */
const before = 'ccde7484be24c023d64632b2596282a6a05cfbe6';
const here = join(import.meta.dirname, '..', '..');

beforeAll(build);

test('servers of the previous and of this release change the same agents concurrently, and each reads, replays and restores what the other wrote', async () => {
  const folder = await buildCommit(before);
  await unlessTooSlow((attempt) => sideBySide(folder, attempt), lockLimit);
});

/** First the previous release alone under load, then the migration, then both releases on the same agents. */
async function sideBySide(folder: string, attempt: Attempt) {
  const database = await openDatabase(attempt);
  await database.migrate(folder);
  const { id: company } = await database.admin(folder, 'company', 'create', '--name', 'Acme');
  const { key } = await database.admin(folder, 'key', 'create', '--company', company);
  const oldOrigin = await database.start(folder);
  const old = { by: 'old', ...callsOf(oldOrigin, attempt.timed) };
  const agents = await makeAgents(old, key);

  const loadOnOld = startLoad({ origin: oldOrigin, key, agents }, attempt);
  await loadOnOld.more(40);
  await database.migrate(here);
  const origin = await database.start(here);
  const next = { by: 'next', ...callsOf(origin, attempt.timed) };
  const loadOnNext = startLoad({ origin, key, agents: agents.toReversed() }, attempt);
  await Promise.all([loadOnOld.more(100), loadOnNext.more(100)]);
  for (const id of agents) {
    await expectRepeated(key, id, old, next);
    await expectRepeated(key, id, next, old);
  }
  const loads = [loadOnOld, loadOnNext];
  await Promise.all(loads.map((load) => load.stop()));
  expect(loads.flatMap(({ failures }) => failures)).toEqual([]);

  for (const id of agents) {
    const shown = await next.call(key, `GET /agents/${id}`);
    expect((await old.call(key, `GET /agents/${id}`)).text).toBe(shown.text);
    const version = versionIn(shown);
    for (const { acknowledged } of loads) expect(version).toBeGreaterThanOrEqual(acknowledged.get(id) ?? 0);
    const history = await database.query(`SELECT version FROM agent_version WHERE agent_id = '${id}' ORDER BY 1`);
    expect(history).toEqual(Array.from({ length: version }, (_, at) => ({ version: at + 1 })));
    // The last ten versions were written under the load of both.
    const last = history.slice(-10).map((row) => Number(row['version']));
    for (const [at, number] of [1, ...last].entries()) {
      await expectRestored(key, `/agents/${id}/versions/${number}`, at % 2 === 0 ? [next, old] : [old, next]);
    }
  }
  expect(await database.query(restoreCheck())).toEqual([]);
}

interface Side extends ReturnType<typeof callsOf> {
  readonly by: string;
}

/** An empty database, and starts of any release on it. */
async function openDatabase({ atEnd }: Attempt) {
  const ownerUrl = await emptyDatabase();
  const secret = 'a secret of this test alone, in no server';
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  const owner = { DATABASE_URL: ownerUrl, API_KEY_SECRET: secret };
  const runNode = (cwd: string, ...parameters: string[]) => runProgram(parameters, { cwd, env: owner });
  return {
    query: (sql: string) => run(ownerUrl, sql),
    async migrate(cwd: string): Promise<void> {
      const migrate = () => runNode(cwd, 'dist/migrate.js', '--server-role', inject('serverRole'));
      const { code, stderr } = await migrateUnderLoad(ownerUrl, migrate);
      expect(code, stderr).toBe(0);
    },
    async admin(cwd: string, ...parameters: string[]) {
      const { code, stdout, stderr } = await runNode(cwd, 'dist/admin.js', ...parameters);
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout);
    },
    /** @returns the origin of a server */
    async start(release: string): Promise<string> {
      const url = asServer(ownerUrl, inject('serverRole'));
      const env = { ...owner, ...limits, DATABASE_URL: url, NODE_ENV: 'production' };
      return (await startServer(env, { release, atEnd })).origin;
    },
  };
}

async function makeAgents({ call }: Side, key: string): Promise<string[]> {
  const draft = { name: 'Upgraded', type: 'ONLINE', focus: 'GENERIC', language: 'EN', duration: 30 };
  const ids: string[] = [];
  for (let count = 0; count < 4; count += 1) {
    const { body } = await call(key, 'POST /agents', { body: { ...draft, metadata: { z: 1, a: [null] } } });
    ids.push(Object(body).id);
  }
  return ids;
}

/** Each server replays, byte for byte, what the other answered under an Idempotency-Key. */
async function expectRepeated(key: string, id: string, first: Side, second: Side): Promise<void> {
  const { by } = first;
  const headers = { 'idempotency-key': `${by}-${id}` };
  const body = { name: `Kept by ${by}`, questions: [`By ${by}?`], metadata: { kept: { [by]: [null, 'é'] } } };
  const answered = await first.patch(key, id, body, { headers });
  expect(answered.status).toBe(200);
  const repeated = await second.patch(key, id, body, { headers });
  expect([repeated.status, repeated.headers['idempotent-replayed']]).toEqual([200, 'true']);
  expect([repeated.text, repeated.headers['etag']]).toEqual([answered.text, answered.headers['etag']]);
}

/** Both answer the same for a version, and one restores it. */
async function expectRestored(key: string, path: string, [one, other]: [one: Side, other: Side]): Promise<void> {
  const [shown, same] = [await one.call(key, `GET ${path}`), await other.call(key, `GET ${path}`)];
  expect([shown.status, shown.body], path).toEqual([200, same.body]);
  const { companyPhoneNumberId, updatedAt, ...content } = Object(shown.body);
  const restored = await one.call(key, `POST ${path}/restore`);
  expect(restored, path).toMatchObject({ status: 200, body: content });
}
