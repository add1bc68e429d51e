import { expect, onTestFinished, test } from 'vitest';
import { agentVersionRepository } from '../../../src/agents/history/repository.ts';
import type { Query } from '../../../src/database/statement.ts';
import { restoreCheck } from '../../support/docs.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { openLimited } from '../../support/time-limits.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Changes the stored snapshot of a version, as another release would have written it. */
async function rewrite(id: string, version: number, snapshot: string): Promise<void> {
  const client = await world.sql.connect();
  try {
    await client.query('BEGIN; SET LOCAL session_replication_role = replica');
    await client.query(`UPDATE agent_version SET snapshot = ${snapshot} WHERE agent_id = $1 AND version = $2`, [
      id,
      version,
    ]);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

const forget = (id: string, version: number, field: string) => rewrite(id, version, `snapshot - '${field}'`);

const versionOf = async (key: string, id: string, version: number) => {
  const answer = await world.call(key, `GET /agents/${id}/versions/${version}`);
  expect(answer.status).toBe(200);
  return Object(answer.body);
};

test('a field that no snapshot has is read as its initial value: in the version, in a diff and after a restore', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA', duration: 60 });
  for (const version of [1, 2]) await forget(id, version, 'voiceId');
  expect(await versionOf(key, id, 1)).toMatchObject({ voiceId: null, duration: 30 });
  expect(await versionOf(key, id, 2)).toMatchObject({ voiceId: null, duration: 60 });
  const diff = await world.call(key, `GET /agents/${id}/versions/1/diff?to=2`);
  expect(diff.body).toEqual({ from: 1, to: 2, changes: [{ field: 'duration', before: 30, after: 60 }] });

  const restored = await world.call(key, `POST /agents/${id}/versions/1/restore`);
  expect([restored.status, restored.headers['changed-fields']]).toEqual([200, 'duration, voiceId']);
  expect(restored.body).toMatchObject({ voiceId: null, duration: 30 });
  const changed = await world.patch(key, id, { voiceId: 'LUKE' });
  expect([changed.status, changed.headers['etag'], Object(changed.body).voiceId]).toEqual([200, '"4"', 'LUKE']);
  expect(await versionOf(key, id, 4)).toMatchObject({ voiceId: 'LUKE', duration: 30 });
});

test('a field that an older server left out of later snapshots has the value of the newest snapshot before them that has it', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA' });
  // As an older server does during a rolling upgrade: the row keeps the field, and the snapshots lack it.
  await world.patch(key, id, { duration: 45 });
  await world.patch(key, id, { duration: 50 });
  for (const version of [3, 4]) await forget(id, version, 'voiceId');
  expect(await versionOf(key, id, 4)).toMatchObject({ voiceId: 'EMMA', duration: 50 });
  await world.patch(key, id, { duration: 55 });
  const restored = await world.call(key, `POST /agents/${id}/versions/3/restore`);
  expect([restored.status, restored.headers['changed-fields']]).toEqual([200, 'duration']);
  expect(restored.body).toMatchObject({ voiceId: 'EMMA', duration: 45 });
  expect(JSON.parse(await world.row(id))).toMatchObject({ voice_id: 'EMMA', duration: 45, version: 6 });
});

test('a member that a later release wrote stays stored and is left out of answers', async () => {
  const { id, key } = await newSubject(world);
  await rewrite(id, 1, `snapshot || '{"later":true}'`);
  expect(await versionOf(key, id, 1)).not.toHaveProperty('later');
  await world.patch(key, id, { duration: 45 });
  const restored = await world.call(key, `POST /agents/${id}/versions/1/restore`);
  expect([restored.status, restored.headers['changed-fields']]).toEqual([200, 'duration']);
  const [first, , third] = await world.history(id);
  expect(first?.snapshot).toMatchObject({ later: true });
  expect(third?.snapshot).not.toHaveProperty('later');
});

test('a kept answer of a release without a field is replayed with the value that the field had', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA' });
  const headers = { 'idempotency-key': 'kept-by-an-older-release' };
  const first = await world.patch(key, id, { duration: 45 }, { headers });
  await world.sql.query(`UPDATE idempotency_key SET agent = (agent::jsonb - 'voiceId')::json WHERE agent_id = $1`, [
    id,
  ]);
  const repeated = await world.patch(key, id, { duration: 45 }, { headers });
  expect([repeated.status, repeated.headers['idempotent-replayed']]).toEqual([200, 'true']);
  expect(repeated.text).toBe(first.text);
  await forget(id, 3, 'voiceId');
  expect((await world.patch(key, id, { duration: 45 }, { headers })).text).toBe(first.text);
});

test('an answer that an older server kept to a patch which changed nothing has the values of its version', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA' });
  const set = await world.patch(key, id, { voiceId: 'LUKE' });
  // The older server finds what a newer one has written, and keeps an answer without the field.
  const headers = { 'idempotency-key': 'kept-without-a-change' };
  const first = await world.patch(key, id, {}, { headers });
  expect([first.headers['etag'], first.text]).toEqual([set.headers['etag'], set.text]);
  await world.sql.query(`UPDATE idempotency_key SET agent = (agent::jsonb - 'voiceId')::json WHERE agent_id = $1`, [
    id,
  ]);
  const repeated = await world.patch(key, id, {}, { headers });
  expect([repeated.status, repeated.headers['idempotent-replayed']]).toEqual([200, 'true']);
  expect(repeated.text).toBe(first.text);
});

test('a version that is pruned while it is completed is gone, and not completed without the versions before it', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA' });
  await world.patch(key, id, { duration: 45 });
  await world.patch(key, id, { duration: 50 });
  await forget(id, 3, 'voiceId');
  const database = openLimited('patient', world.ownerUrl, 2);
  onTestFinished(() => database.close());
  const query: Query = async (statement) => {
    const rows = await database.query(statement);
    await world.sql.query('DELETE FROM agent_version WHERE agent_id = $1 AND version < 4', [id]);
    return rows;
  };
  expect(await agentVersionRepository(database).snapshot(id, 3)).toMatchObject({ content: { voiceId: 'EMMA' } });
  expect(await agentVersionRepository({ ...database, query }).snapshot(id, 3)).toBeUndefined();
});

test('the check of docs/backup.md compares a field that the newest snapshots lack with the newest snapshot that has it', async () => {
  const { id, key } = await newSubject(world);
  await world.patch(key, id, { voiceId: 'EMMA' });
  for (const duration of [45, 50]) await world.patch(key, id, { duration });
  for (const version of [3, 4]) await forget(id, version, 'voiceId');
  const differing = async () => (await world.sql.query<{ id: string }>(restoreCheck())).rows.map((row) => row.id);
  expect(await differing()).not.toContain(id);
  await world.sql.query(`UPDATE agent SET voice_id = 'LUKE' WHERE id = $1`, [id]);
  expect(await differing()).toContain(id);
});
