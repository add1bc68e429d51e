import { expect, test } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a PATCH changes the row as stored, also if SQL changed it without raising its version', async () => {
  const { id, key } = await newSubject(world);
  expect((await world.patch(key, id, { metadata: { first: 1 } })).headers['etag']).toBe('"2"');
  await world.sql.query(`UPDATE agent SET instructions = 'by SQL' WHERE id = $1`, [id]);

  const answer = await world.patch(key, id, { metadata: { second: 2 } });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' } });
  expect(answer.body).toMatchObject({ instructions: 'by SQL', metadata: { first: 1, second: 2 } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ instructions: 'by SQL', version: 3 });
});

/** Patches an agent to version 3, then gives the database the state of version 1, as a restore from a backup does. */
async function newSubjectThatWentBack() {
  const { id, key } = await newSubject(world);
  const { rows } = await world.sql.query('SELECT name FROM agent WHERE id = $1', [id]);
  for (const name of ['Second name', 'Third name']) await world.patch(key, id, { name });
  await world.sql.query('UPDATE agent SET name = $2, version = 1, updated_at = created_at WHERE id = $1', [
    id,
    rows[0]?.name,
  ]);
  await world.sql.query('DELETE FROM agent_version WHERE agent_id = $1 AND version > 1', [id]);
  return { id, key };
}

test('after a restore from a backup a PATCH that is sent again is written again', async () => {
  const { id, key } = await newSubjectThatWentBack();
  const answer = await world.patch(key, id, { name: 'Third name' });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ name: 'Third name', version: 2 });
  expect((await world.history(id)).map(({ version }) => version)).toEqual([1, 2]);
});

test('after a restore from a backup If-Match is compared with the stored version', async () => {
  const { id, key } = await newSubjectThatWentBack();
  const answer = await world.patch(key, id, { duration: 7 }, { headers: { 'if-match': '"1"' } });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ duration: 7, version: 2 });
});
