import { userInfo } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { pruneHistory } from '../../src/agents/history/prune.repository.ts';
import { blocksOf } from '../support/blocks.ts';
import { printedBy } from '../support/operator.ts';
import { openLimited } from '../support/time-limits.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
/** A database that only one test reads: PostgreSQL adds what a session has read to its counts when that ends, or later. */
const counted = await openWorld();
const printed = printedBy(world);
const prune = async (...options: string[]) => JSON.parse(await printed('history', 'prune', ...options));

/** Makes all versions of an agent except the `last` newest ones `days` days older. */
async function age(agentId: string, days: number, last: number) {
  await world.sql.query('ALTER TABLE agent_version DISABLE TRIGGER agent_version_never_changes');
  await world.sql.query(
    `UPDATE agent_version v SET created_at = v.created_at - $2::int * interval '1 day' FROM agent a
      WHERE a.id = $1 AND v.agent_id = a.id AND v.version <= a.version - $3::int`,
    [agentId, days, last],
  );
  await world.sql.query('ALTER TABLE agent_version ENABLE TRIGGER agent_version_never_changes');
}

/** A company with an agent that has `versions` versions. */
async function agentWith(versions: number) {
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId, { duration: 1 });
  for (let duration = 2; duration <= versions; duration += 1) await world.patch(key, id, { duration });
  return { companyId, key, id };
}

const versionsOf = async (id: string) => (await world.history(id)).map(({ version }) => version);

test('prune deletes versions older than the limit, but never the current one or the last ones that are to be kept', async () => {
  const [whole, half, young] = await Promise.all([agentWith(8), agentWith(8), agentWith(8)]);
  await age(whole.id, 31, 0);
  await age(half.id, 31, 4);
  await age(young.id, 29, 0);
  const untouched = await world.row(whole.id);
  expect(await prune('--older-than', '30', '--keep', '6')).toEqual({ versions: 4, agents: 2 });
  expect(await versionsOf(whole.id)).toEqual([3, 4, 5, 6, 7, 8]);
  expect(await versionsOf(half.id)).toEqual([3, 4, 5, 6, 7, 8]);
  expect(await prune('--older-than', '30')).toEqual({ versions: 7, agents: 2 });
  expect(await versionsOf(whole.id)).toEqual([8]);
  expect(await versionsOf(half.id)).toEqual([5, 6, 7, 8]);
  expect(await versionsOf(young.id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await world.row(whole.id)).toEqual(untouched);
  expect(await prune('--older-than', '30')).toEqual({ versions: 0, agents: 0 });

  const { rows } = await world.sql.query(
    `SELECT operator, details FROM audit_entry WHERE action = 'history.pruned' ORDER BY created_at`,
  );
  const operator = userInfo().username;
  const before = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(rows).toEqual([
    { operator, details: { versions: 4, before, keep: 6 } },
    { operator, details: { versions: 7, before, keep: 1 } },
  ]);
});

test('a pruned version answers 404 and says so on every route, and lists have the remaining versions and their total', async () => {
  const { key, id } = await agentWith(5);
  await age(id, 31, 2);
  await prune('--older-than', '30');
  const pruned = {
    status: 404,
    body: {
      code: 'RESOURCE_NOT_FOUND',
      detail:
        'This version was pruned: the operator removes old ones. GET /agents/{id}/versions lists those that are left.',
    },
  };
  const never = { status: 404, body: { detail: 'The agent has no version 6; its newest version is 5.' } };
  const at = (path: string, method = 'GET') => world.call(key, `${method} /agents/${id}/versions${path}`);
  expect(await at('/3')).toMatchObject(pruned);
  expect(await at('/3/diff')).toMatchObject(pruned);
  expect(await at('/4/diff?to=3')).toMatchObject(pruned);
  expect(await at('/3/restore', 'POST')).toMatchObject(pruned);
  expect(await at('/3/restore?dryRun=true', 'POST')).toMatchObject(pruned);
  expect(await at('/6')).toMatchObject(never);
  expect(await at('/6/restore', 'POST')).toMatchObject(never);

  expect(await at('/4')).toMatchObject({ status: 200, body: { duration: 4 } });
  const pages = [await at('?limit=1'), await at('?limit=1&page=2'), await at('?limit=1&page=3')];
  expect(pages.map(({ body }) => body)).toMatchObject([
    { data: [{ version: 5 }], pagination: { total: 2, totalPages: 2, hasNextPage: true } },
    { data: [{ version: 4 }], pagination: { total: 2, totalPages: 2, hasNextPage: false } },
    { data: [], pagination: { total: 2, totalPages: 2, hasNextPage: false } },
  ]);
  expect(await at('/4/restore', 'POST')).toMatchObject({ status: 200, headers: { etag: '"6"' } });
});

test('the history of a deleted agent is kept until it is purged, and purge prints the number of versions', async () => {
  const { id } = await agentWith(4);
  await age(id, 31, 0);
  expect(await prune('--older-than', '30', '--keep', '3')).toEqual({ versions: 1, agents: 1 });
  await world.deleteAgent(id);
  expect(await prune('--older-than', '30')).toEqual({ versions: 0, agents: 0 });
  expect(await versionsOf(id)).toEqual([2, 3, 4]);
  expect(JSON.parse(await printed('agent', 'purge', '--id', id))).toEqual({ id, versions: 3 });
});

test('a version is kept if a later one, written by an older release, needs it to be read', async () => {
  const { id: companyId, key } = await world.company();
  const { id } = await world.agent(companyId, { voiceId: 'EMMA' });
  for (let duration = 31; duration <= 35; duration += 1) await world.patch(key, id, { duration });
  await age(id, 31, 1);
  // Versions 3 to 5 as written by a server that does not know voiceId.
  await world.sql.query('ALTER TABLE agent_version DISABLE TRIGGER agent_version_never_changes');
  await world.sql.query(
    `UPDATE agent_version SET snapshot = snapshot - 'voiceId' WHERE agent_id = $1 AND version BETWEEN 3 AND 5`,
    [id],
  );
  await world.sql.query('ALTER TABLE agent_version ENABLE TRIGGER agent_version_never_changes');
  expect(await prune('--older-than', '30', '--keep', '2')).toEqual({ versions: 1, agents: 1 });
  expect(await versionsOf(id)).toEqual([2, 3, 4, 5, 6]);
  const fourth = await world.call(key, `GET /agents/${id}/versions/4`);
  expect(fourth).toMatchObject({ status: 200, body: { voiceId: 'EMMA', duration: 33 } });
  expect(await prune('--older-than', '30')).toEqual({ versions: 4, agents: 1 });
  expect(await versionsOf(id)).toEqual([6]);
});

test('a history is pruned behind thousands of versions that lack a field, by a release that was taken back', async () => {
  const { id } = await agentWith(2);
  await world.sql.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT agent_id, n, created_at, CASE WHEN n > 2500 THEN snapshot ELSE snapshot - 'voiceId' END, '{duration}'
       FROM agent_version, generate_series(3, 2510) n WHERE agent_id = $1 AND version = 2`,
    [id],
  );
  await world.sql.query('UPDATE agent SET version = 2510 WHERE id = $1', [id]);
  await age(id, 31, 5);
  expect(await prune('--older-than', '30', '--keep', '2')).toEqual({ versions: 2505, agents: 1 });
  expect(await versionsOf(id)).toEqual([2506, 2507, 2508, 2509, 2510]);
});

test('a prune reads the history of each agent a few times for each of its versions, also in a database without statistics', async () => {
  const agents = 300;
  const { id: companyId } = await counted.company();
  // All versions behind the first one need it to be read.
  await counted.sql.query(
    `WITH made AS (
       INSERT INTO agent (company_id, version, name, type, focus, language, duration)
       SELECT $1, 10, 'Agent', 'ONLINE', 'GENERIC', 'EN', 30 FROM generate_series(1, $2::int) RETURNING id
     )
     INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields, operator)
     SELECT id, v, now() - interval '40 days', CASE WHEN v = 1 THEN '{"voiceId": null}' ELSE '{}' END::jsonb, '{}', 'tester'
       FROM made, generate_series(1, 10) v`,
    [companyId, agents],
  );
  const database = openLimited('patient', counted.ownerUrl, 1);
  onTestFinished(() => database.close());
  const keeping = (versions: number) => () => pruneHistory(database, 30, versions, 'tester');
  for (const [versions, blocks] of [
    [20, 10],
    [1, 1_000],
  ] as const) {
    expect(await keeping(versions)()).toEqual({ versions: 0, agents: 0 });
    expect(await blocksOf(database, counted.sql, 'agent_version', keeping(versions))).toBeLessThan(agents * blocks);
  }
});
