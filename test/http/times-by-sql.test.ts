import { expect, test } from 'vitest';
import { newSubject } from '../support/patch-agent.ts';
import { bodiesFor, newWebhook } from '../support/webhooks.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

const first = '0001-01-01T00:00:00.000Z';
const last = '9999-12-31T23:59:59.999Z';

/** Times that SQL can store, how answers show them, and what PostgreSQL has for them a millisecond later. */
const stored = [
  ['infinity', last, 'infinity', 'infinity'],
  ['12026-02-03 04:05:06Z', last, '12026-02-03T04:05:06+00:00', '12026-02-03T04:05:06.001+00:00'],
  ['0044-03-15 00:00Z BC', first, '0044-03-15T00:00:00+00:00 BC', undefined],
  ['-infinity', first, '-infinity', undefined],
] as const;

/** An agent with both times, a webhook endpoint of its company, its answer and its row. */
async function newDated(time: string, shown: string) {
  const subject = await newSubject(world);
  const endpoint = await newWebhook(world, subject.key);
  const before = await world.call(subject.key, `GET /agents/${subject.id}`);
  await world.sql.query('UPDATE agent SET created_at = $2, updated_at = $2 WHERE id = $1', [subject.id, time]);
  const body = { ...Object(before.body), createdAt: shown, updatedAt: shown };
  return { ...subject, endpoint: endpoint.id, body, row: JSON.parse(await world.row(subject.id)) };
}

test.for(stored)(
  'an agent that SQL dated %s is shown with the nearest time that answers have, and a PATCH of it is written and answered once',
  async ([time, shown, kept, next]) => {
    const { id, key, endpoint, body, row } = await newDated(time, shown);
    expect(row).toMatchObject({ created_at: kept, updated_at: kept });
    const read = await world.call(key, `GET /agents/${id}`);
    expect([read.status, read.body]).toEqual([200, body]);
    const list = await world.call(key, 'GET /agents');
    expect([list.status, Object(list.body).data]).toEqual([200, [body]]);

    const headers = { 'idempotency-key': 'once' };
    const patched = await world.patch(key, id, { duration: 9 }, { headers });
    const after = JSON.parse(await world.row(id));
    expect(after).toEqual({ ...row, duration: 9, version: 2, updated_at: next ?? expect.stringMatching(/^20\d\d-/) });
    const updatedAt = next === undefined ? new Date(after.updated_at).toISOString() : shown;
    const changed = { ...body, duration: 9, updatedAt };
    expect([patched.status, patched.headers['etag'], patched.body]).toEqual([200, '"2"', changed]);
    expect((await world.call(key, `GET /agents/${id}`)).text).toBe(patched.text);
    const repeated = await world.patch(key, id, { duration: 9 }, { headers });
    expect([repeated.status, repeated.headers['etag'], repeated.text]).toEqual([200, '"2"', patched.text]);
    expect(JSON.parse(await world.row(id))).toEqual(after);

    const versions = await world.call(key, `GET /agents/${id}/versions?limit=1`);
    expect([versions.status, Object(versions.body).data]).toMatchObject([200, [{ version: 2, createdAt: updatedAt }]]);
    const version = await world.call(key, `GET /agents/${id}/versions/2`);
    expect([version.status, version.body]).toEqual([200, { ...changed, companyPhoneNumberId: null }]);
    expect(await bodiesFor(world, endpoint)).toMatchObject([{ type: 'agent.updated', timestamp: updatedAt }]);
  },
);

test.for(stored)('an agent that SQL dated %s can be restored and deleted', async ([time, shown]) => {
  const { id, key, body } = await newDated(time, shown);
  await world.patch(key, id, { duration: 9 });
  const restored = await world.call(key, `POST /agents/${id}/versions/1/restore`);
  const { updatedAt } = Object(restored.body);
  expect([restored.status, restored.headers['etag'], restored.body]).toEqual([200, '"3"', { ...body, updatedAt }]);
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 3, duration: 30, deleted_at: null });
  expect((await world.call(key, `DELETE /agents/${id}`)).status).toBe(204);
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 3, deleted_at: expect.any(String) });
  expect((await world.call(key, `GET /agents/${id}`)).status).toBe(404);
});

test('changes of one agent at once are all written also if SQL dated it infinity', async () => {
  const { id, key } = await newDated('infinity', last);
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const answers = await Promise.all(names.map((name) => world.patch(key, id, { metadata: { [name]: 1 } })));
  expect(answers.map(({ status, body }) => [status, Object(body).updatedAt])).toEqual(names.map(() => [200, last]));
  const metadata = Object.fromEntries(names.map((name) => [name, 1]));
  expect(JSON.parse(await world.row(id))).toMatchObject({ version: 9, metadata, updated_at: 'infinity' });
});
