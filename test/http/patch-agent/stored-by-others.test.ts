import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type RetryReason, silent } from '../../../src/metrics/meter.ts';
import { openAnotherServer } from '../../support/another-server.ts';
import { callsOf } from '../../support/calls.ts';
import { expectAgent, newSubject } from '../../support/patch-agent.ts';
import { storedAgent } from '../../support/stored-agent.ts';
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

/** Times with more digits than a column holds, which PostgreSQL rounds. */
const times = [
  ...['2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05.9996Z', '1969-12-31T23:59:59.9994Z'],
  ...['0099-01-01T00:00:00.0005Z', '2199-01-01T00:00:00.000999Z'],
];

test.for(times)('a PATCH is written by its first statement to a row that SQL gave the time %s', async (time) => {
  const { id, key } = await newSubject(world);
  const repeated: RetryReason[] = [];
  const statements: string[] = [];
  const { origin } = await openAnotherServer(world, {
    meter: { ...silent, repeated: (why) => repeated.push(why) },
    onStatement: (sql) => statements.push(sql),
  });
  const { patch } = callsOf(origin);
  for (const [at, headers] of [{}, { 'idempotency-key': randomUUID() }].entries()) {
    await world.sql.query('UPDATE agent SET updated_at = $2 WHERE id = $1', [id, time]);
    const answer = await patch(key, id, { duration: 45 + at }, { headers });
    const { row, history } = await storedAgent(world, id);
    expect([row.version, row.duration, history.length]).toEqual([2 + at, 45 + at, 2 + at]);
    expectAgent(answer, row);
  }
  expect(repeated).toEqual([]);
  expect(statements.filter((sql) => sql.includes('UPDATE agent a SET'))).toHaveLength(2);
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
