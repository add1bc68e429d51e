import { expect, test } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

test('a row that SQL changed without raising its version is what the next PATCH changes', async () => {
  const { id, key } = await newSubject(world);
  expect((await world.patch(key, id, { metadata: { first: 1 } })).headers['etag']).toBe('"2"');
  await world.sql.query(`UPDATE agent SET instructions = 'by SQL' WHERE id = $1`, [id]);

  const answer = await world.patch(key, id, { metadata: { second: 2 } });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"3"' } });
  expect(answer.body).toMatchObject({ instructions: 'by SQL', metadata: { first: 1, second: 2 } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ instructions: 'by SQL', version: 3 });
});

/** Gives an agent the version 3, and then its database the state of version 1, as a restore from a backup does. */
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

test('on a database that went back, a PATCH that is sent again is written again', async () => {
  const { id, key } = await newSubjectThatWentBack();
  const answer = await world.patch(key, id, { name: 'Third name' });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ name: 'Third name', version: 2 });
  expect((await world.history(id)).map(({ version }) => version)).toEqual([1, 2]);
});

test('on a database that went back, If-Match takes the version that is stored', async () => {
  const { id, key } = await newSubjectThatWentBack();
  const answer = await world.patch(key, id, { duration: 7 }, { headers: { 'if-match': '"1"' } });
  expect(answer).toMatchObject({ status: 200, headers: { etag: '"2"' } });
  expect(JSON.parse(await world.row(id))).toMatchObject({ duration: 7, version: 2 });
});
