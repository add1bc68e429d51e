import { expect, test } from 'vitest';
import { newSubject } from '../../support/patch-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const huge = `1${'0'.repeat(400)}`;
const digits = '0.123456789012345678901234567890';
/** Keys in the order in which PostgreSQL and the answers have them. */
const odd = `{"big":9007199254740993,"huge":${huge},"list":[${digits},{"deep":-${huge}}],"text":"${huge}"}`;

/** An agent whose metadata was written by SQL. */
async function newOddSubject(metadata = odd) {
  const subject = await newSubject(world);
  await world.sql.query('UPDATE agent SET metadata = $2 WHERE id = $1', [subject.id, metadata]);
  return subject;
}

async function stored(id: string): Promise<string> {
  const { rows } = await world.sql.query('SELECT metadata::text AS text FROM agent WHERE id = $1', [id]);
  return rows[0]?.text;
}

const metadataIn = (text: string): string => /"metadata":(\{.*\}),"cefrLevel"/.exec(text)?.[1] ?? '';
const with1 = (metadata: string, member: string) => metadata.replace('{', `{${member},`);
const withoutSpaces = (json: string) => json.replaceAll(/([,:]) /g, '$1');

test('numbers that JavaScript cannot hold are answered and kept as PostgreSQL writes them, in GET, list, PATCH and dry run', async () => {
  const { id, key } = await newOddSubject();
  const read = await world.call(key, `GET /agents/${id}`);
  expect(metadataIn(read.text)).toBe(odd);
  expect(metadataIn((await world.call(key, 'GET /agents')).text)).toBe(odd);

  const headers = { 'idempotency-key': 'odd' };
  const next = with1(odd, '"a":1');
  const dry = await world.patch(key, id, { metadata: { a: 1 } }, { query: '?dryRun=true' });
  expect(metadataIn(dry.text)).toBe(next);
  const patched = await world.patch(key, id, { metadata: { a: 1 } }, { headers });
  expect(metadataIn(patched.text)).toBe(next);
  expect(withoutSpaces(await stored(id))).toBe(next);
  const readAgain = await world.call(key, `GET /agents/${id}`);
  expect([readAgain.text, readAgain.headers['etag']]).toEqual([patched.text, patched.headers['etag']]);
  expect((await world.patch(key, id, { metadata: { a: 1 } }, { headers })).text).toBe(patched.text);
});

test('a batch of changes of one agent keeps such numbers', async () => {
  const { id, key } = await newOddSubject();
  const keys = ['b', 'c', 'd', 'e', 'f', 'g'];
  const answers = await Promise.all(keys.map((name) => world.patch(key, id, { metadata: { [name]: 1 } })));
  expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200));
  const added = keys.map((name) => `"${name}":1`).join(',');
  expect(withoutSpaces(await stored(id))).toBe(with1(odd, added));
});

test('a patch that removes or replaces such a number keeps the others', async () => {
  const { id, key } = await newOddSubject();
  const patched = await world.patch(key, id, { metadata: { big: 5, huge: null } });
  const left = `{"big":5,"list":[${digits},{"deep":-${huge}}],"text":"${huge}"}`;
  expect(metadataIn(patched.text)).toBe(left);
  expect((await world.call(key, `GET /agents/${id}`)).text).toBe(patched.text);
});

test('a patch with the values that are stored changes nothing', async () => {
  const { id, key } = await newOddSubject('{"n": 1.50, "m": 12345678901234567890}');
  const patched = await world.patch(key, id, { metadata: { n: 1.5 } });
  expect(patched).toMatchObject({ status: 200, headers: { etag: '"1"', 'changed-fields': '' } });
  expect(await stored(id)).toBe('{"m": 12345678901234567890, "n": 1.50}');
});

test('such numbers count with all their digits: metadata over 10,240 bytes may not grow, and other fields may change', async () => {
  const nines = '9'.repeat(10_300);
  const { id, key } = await newOddSubject(`{"n": ${nines}}`);
  const grown = await world.patch(key, id, { metadata: { a: 1 } });
  expect(grown.status).toBe(400);
  expect(Object(grown.body).errors).toEqual([
    expect.objectContaining({ pointer: '#/metadata', code: 'too_large', limit: 10_240 }),
  ]);
  expect(Object(grown.body).errors[0].detail).toContain(String(`{"a":1,"n":${nines}}`.length));
  const renamed = await world.patch(key, id, { name: 'New name' });
  expect(metadataIn(renamed.text)).toBe(`{"n":${nines}}`);
  expect(await stored(id)).toBe(`{"n": ${nines}}`);
});

test('versions, diffs and restores keep such numbers', async () => {
  const { id, key } = await newOddSubject();
  const second = await world.patch(key, id, { name: 'Second name' });
  const third = await world.patch(key, id, { metadata: { huge: 3 } });
  expect(third.headers['etag']).toBe('"3"');

  expect(metadataIn((await world.call(key, `GET /agents/${id}/versions/2`)).text)).toBe(odd);
  const diff = await world.call(key, `GET /agents/${id}/versions/2/diff`);
  expect(diff.text).toBe(
    `{"from":2,"to":3,"changes":[{"field":"metadata","pointer":"/huge","before":${huge},"after":3}]}`,
  );
  const restored = await world.call(key, `POST /agents/${id}/versions/2/restore`);
  expect([restored.status, metadataIn(restored.text)]).toEqual([200, metadataIn(second.text)]);
  expect(withoutSpaces(await stored(id))).toBe(odd);
  const { rows } = await world.sql.query(
    `SELECT snapshot->'metadata' = $2::jsonb AS same FROM agent_version WHERE agent_id = $1 AND version > 1 ORDER BY version`,
    [id, odd],
  );
  expect(rows).toEqual([{ same: true }, { same: false }, { same: true }]);
});
