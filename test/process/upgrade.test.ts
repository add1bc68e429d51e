import { beforeAll, expect, inject, test, vi } from 'vitest';
import { run } from '../support/connection.ts';
import { commandsIn } from '../support/docs.ts';
import { startLoad } from '../support/load.ts';
import { whileLocked } from '../support/locks.ts';
import { build, runToEnd, startServer } from '../support/process.ts';
import { makeRelease, migrateUnderLoad } from '../support/release.ts';
import { type Attempt, lockLimit, unlessTooSlow } from '../support/too-slow.ts';
import { openWorld, type World } from '../support/world.ts';

const [migrate = '', ready = ''] = commandsIn('docs/upgrade.md');

const [first, second] = [await openWorld(), await openWorld()];
beforeAll(build);

/** The next release is migrated while another transaction delays its index, and takes over. */
async function takenOver(world: World, attempt: Attempt) {
  const { env, next, old, load } = await underLoad(world, attempt);
  const { timed, atEnd } = attempt;
  // `CREATE INDEX CONCURRENTLY` waits for this transaction, which has no lock on agent.
  const reader = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM company';
  const migrated = await whileLocked(world, reader, [], async (release) => {
    const migrating = migrateUnderLoad(world.ownerUrl, () => shell(migrate, next, urls(world)));
    await vi.waitUntil(async () => (await run(world.ownerUrl, waitingIndex)).length > 0, waiting);
    await load.more(20);
    const restarted = await startServer(env, { atEnd });
    for (const ORIGIN of [old.origin, restarted.origin]) {
      expect(await timed(shell(ready, next, { ORIGIN }))).toMatchObject({ code: 0, stdout: '{"status":"ok"}' });
    }
    await release();
    return await migrating;
  });
  expect(migrated).toMatchObject({ code: 0, stdout: expect.stringMatching(/applied 3_column\napplied 3_index\n/) });
  expect(await run(world.ownerUrl, theirIndex)).toEqual([{ valid: true }]);

  const { origin } = await startServer(env, { release: next, atEnd });
  expect(await timed(shell(ready, next, { ORIGIN: origin }))).toMatchObject({ code: 0, stdout: '{"status":"ok"}' });
  await load.moveTo(origin);
  old.server.signal('SIGTERM');
  expect(await old.server.exit).toEqual({ code: 0, signal: null });
  await load.more(20);
  await load.stop();
  expect(load.failures).toEqual([]);
  await expectAllStored(world, load.acknowledged);
  await startServer(env, { atEnd });
}

test('the next release is migrated and takes over under load: no request fails, and old servers can still start', () =>
  unlessTooSlow((attempt) => takenOver(first, attempt), lockLimit));

/** The next release's migration meets a transaction, gives up, and is applied after it. */
async function migratedLater(world: World, attempt: Attempt) {
  const { env, next, load } = await underLoad(world, attempt);
  const locked = await whileLocked(world, 'LOCK TABLE agent IN ACCESS SHARE MODE', [], async () => {
    const failed = await shell(migrate, next, urls(world));
    await load.more(20);
    await startServer(env, { atEnd: attempt.atEnd });
    return failed;
  });
  expect(locked).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^the migration 3_column failed with "[^"\n]*lock timeout" \(55P03\): [^\n]+\n$/m),
  });
  const [, update = ''] = /run (UPDATE .*'3_column'.*); then migrate again/.exec(locked.stderr) ?? [];
  await run(world.ownerUrl, update);
  const migrated = await migrateUnderLoad(world.ownerUrl, () => shell(migrate, next, urls(world)));
  expect(migrated).toMatchObject({ code: 0 });
  await load.more(20);
  await load.stop();
  expect(load.failures).toEqual([]);
  await expectAllStored(world, load.acknowledged);
}

test('a migration that waits for a transaction gives up before any request does, and is applied after the transaction', () =>
  unlessTooSlow((attempt) => migratedLater(second, attempt), lockLimit));

const waiting = { timeout: 60_000, interval: 20 };

const waitingIndex = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
   AND query LIKE '%agent_example_idx%'`;
const theirIndex = `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('agent_example_idx')`;

/** A server of this release under load, and the next release; a database that was migrated before is as it was. */
async function underLoad(world: World, attempt: Attempt) {
  await run(world.ownerUrl, 'ALTER TABLE agent DROP COLUMN IF EXISTS example');
  await run(world.ownerUrl, "DELETE FROM _prisma_migrations WHERE starts_with(migration_name, '3_')");
  const { id: companyId, key } = await world.company();
  const agents: string[] = [];
  for (let count = 0; count < 5; count += 1) agents.push((await world.agent(companyId)).id);
  const limits = { RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_PER_HOUR: '0' };
  const env = { DATABASE_URL: world.databaseUrl, API_KEY_SECRET: world.secret, NODE_ENV: 'production', ...limits };
  const [next, old] = [await makeRelease(theirMigrations), await startServer(env, { atEnd: attempt.atEnd })];
  const load = startLoad({ origin: old.origin, key, agents }, attempt);
  await load.more(20);
  return { env, next, old, load };
}

/** The role in the form that the page requires. */
const theirMigrations = {
  '3_column': "SET LOCAL lock_timeout = '500ms'; ALTER TABLE agent ADD COLUMN example text;",
  '3_index': 'CREATE INDEX CONCURRENTLY agent_example_idx ON agent (example) WHERE example IS NOT NULL;',
};

/** Runs a command block of the page in the folder of a release. */
async function shell(block: string, cwd: string, env: Record<string, string>) {
  const command = block.replace('agents_server', inject('serverRole'));
  return await runToEnd(['sh', '-euc', command], { env, cwd });
}

const urls = (world: World) => ({ OWNER_URL: world.ownerUrl, SERVER_URL: world.databaseUrl });

/** Each agent has the last acknowledged version and a history without gaps. */
async function expectAllStored(world: World, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  expect(acknowledged.size).toBe(5);
  for (const [id, version] of acknowledged) {
    const history = await world.history(id);
    expect(history.map((entry) => entry.version)).toEqual(Array.from({ length: version }, (_, at) => at + 1));
    expect(JSON.parse(await world.row(id))).toMatchObject({ version });
  }
}
