import { expect, test } from 'vitest';
import type { Fault } from '../../../src/http/faults.ts';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import { problems } from '../../../src/http/problems.ts';
import { onAgent, pathOf } from '../../support/endpoints.ts';
import { fullFields } from '../../support/fields.ts';
import type { Sent } from '../../support/http.ts';
import { untilWaiting, whileAgentLocked } from '../../support/locks.ts';
import { expectChange, expectRefusal, newSubject, type Subject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { storedAgent } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

/** Deletes an agent. Only `deleted_at` of its row changes; its history stays. */
async function expectDeleted({ id, key }: Subject, header: { 'If-Match'?: string } = {}): Promise<void> {
  const before = await storedAgent(world, id);
  const answer = await world.client(key).remove(id, { header });
  const after = await storedAgent(world, id);
  expect(answer).toMatchObject({ status: 204, text: '' });
  expect(answer.headers).not.toHaveProperty('content-type');
  expect(after.row).toEqual({ ...before.row, deleted_at: expect.any(String) });
  expect(after.history).toEqual(before.history);
}

test('DELETE answers 204 and keeps row and history; every new request on the agent is 404', async () => {
  const agent = await newSubject(world, fullFields);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  await expectDeleted(agent);
  for (const { line, body } of onAgent) {
    const named = line.replace(':id', agent.id);
    const send = () => world.call(agent.key, named, { body });
    await expectRefusal(world, agent.id, send, { code: 'RESOURCE_NOT_FOUND', instance: pathOf(named) });
  }
});

test.for(['"2"', '"1", "2"', '*'])('If-Match: %s deletes version 2', async (tag) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  await expectDeleted(agent, { 'If-Match': tag });
});

test.for([
  ['"1"', problems.PRECONDITION_FAILED.detail],
  ['W/"2"', problemTexts.tagForeign],
  ['"3"', problems.PRECONDITION_FAILED.detail],
] as const)('If-Match: %s does not delete version 2 and answers 412', async ([tag, detail]) => {
  const agent = await newSubject(world);
  await expectChange(world, agent, { name: 'Second' }, { name: 'Second' });
  const send = () => world.client(agent.key).remove(agent.id, { header: { 'If-Match': tag } });
  const answer = await expectRefusal(world, agent.id, send, { code: 'PRECONDITION_FAILED', detail });
  expect(answer.headers.etag).toBe('"2"');
});

test('DELETE reports a malformed If-Match, a malformed id and an unknown parameter in one answer', async () => {
  const { key } = await world.company();
  const errors: Fault[] = [
    { in: 'path', parameter: 'id', code: 'bad_format', detail: 'must be a UUID: hexadecimal digits as 8-4-4-4-12' },
    { in: 'query', parameter: 'force', code: 'unknown_member', detail: 'is not known; what can be set is companyId' },
    {
      in: 'header',
      parameter: 'if-match',
      code: 'bad_format',
      detail: 'must be * or a list of entity tags, each in double quotes',
    },
  ];
  const answer = await world.call(key, 'DELETE /agents/7?force=true', { headers: { 'if-match': '7' } });
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: '/agents/7', errors });
});

/** Content that accompanies a request which takes no body. */
const ignored: readonly { readonly what: string; readonly headers: Sent['headers']; readonly body?: string }[] = [
  { what: 'a content type alone', headers: { 'content-type': 'application/json' } },
  { what: 'an invalid content type', headers: { 'content-type': 'no media type' } },
  { what: 'a text', headers: { 'content-type': 'text/plain' }, body: 'whatever' },
  { what: 'a compressed body', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: '{' },
  { what: 'a large body', headers: {}, body: ' '.repeat(300_000) },
];

test.for(ignored)('DELETE and restore take no body: $what is ignored', async ({ headers, body }) => {
  const agent = await newSubject(world);
  const authorized = { authorization: `Bearer ${agent.key}`, ...headers };
  const send = (method: string, path: string) =>
    world.send({ method, path, headers: authorized, ...(body !== undefined && { body }) });
  expect((await send('POST', `/agents/${agent.id}/versions/1/restore`)).status).toBe(200);
  expect((await send('DELETE', `/agents/${agent.id}`)).status).toBe(204);
});

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

test('of parallel deletions one is answered 204, the others 404', async () => {
  const agent = await newSubject(world);
  const answers = await whileAgentLocked(world, agent.id, async (release) => {
    const sent = upTo(5).map(() => world.client(agent.key).remove(agent.id));
    await untilWaiting(world);
    // Once this is answered, every request has read the agent.
    await world.call(agent.key, `GET /agents/${agent.id}`);
    await release();
    return await Promise.all(sent);
  });
  expect(answers.map(({ status }) => status).toSorted()).toEqual([204, ...Array(4).fill(404)]);
});

test.for(upTo(6))(
  'a deletion that runs beside patches and restores is never undone by them, round %d',
  async (round) => {
    const agent = await newSubject(world);
    const api = world.client(agent.key);
    const patch = (i: number) => api.patch(agent.id, { name: `Patch ${i}` });
    const restore = () => api.restore(agent.id, 1);
    const first = upTo(round).flatMap((i) => [patch(i), restore()]);
    const deletion = api.remove(agent.id);
    const answers = await Promise.all([...first, ...upTo(6).flatMap((i) => [patch(round + i), restore()])]);
    expect((await deletion).status).toBe(204);
    const { row, history } = await storedAgent(world, agent.id);

    for (const answer of answers) expect([200, 404]).toContain(answer.status);
    const versions = answers
      .filter(({ status }) => status === 200)
      .map(({ headers }) => Number(JSON.parse(`${headers.etag}`)));
    expect(row.deleted_at).not.toBeNull();
    expect(row.version).toBe(Math.max(1, ...versions));
    expect(history.map(({ version }) => version)).toEqual(upTo(Number(row.version)).map((i) => i + 1));
    expect((await patch(99)).status).toBe(404);
  },
);

test('a deletion with If-Match that waits for another change answers 412 once that change is committed', async () => {
  const agent = await newSubject(world);
  const holder = await world.sql.connect();
  const send = async () => {
    await holder.query('BEGIN');
    await holder.query('UPDATE agent SET version = 2 WHERE id = $1', [agent.id]);
    const deletion = world.client(agent.key).remove(agent.id, { header: { 'If-Match': '"1"' } });
    await untilWaiting(world);
    await holder.query('COMMIT');
    return await deletion;
  };
  try {
    expectProblem(await send(), { code: 'PRECONDITION_FAILED', instance: `/agents/${agent.id}` });
  } finally {
    holder.release(true);
  }
  expect((await storedAgent(world, agent.id)).row).toMatchObject({ version: 2, deleted_at: null });
});

test('while the row of an agent is locked its deletions wait, and other agents are changed; then one deletion is 204', async () => {
  const [held, other] = [await newSubject(world), await newSubject(world)];
  const deletions = await whileAgentLocked(world, held.id, async (release) => {
    const sent = upTo(30).map(() => world.call(held.key, `DELETE /agents/${held.id}`));
    await untilWaiting(world);
    for (const { id, key } of upTo(10).map(() => other)) {
      expect(await world.patch(key, id, { metadata: { at: performance.now() } })).toMatchObject({ status: 200 });
    }
    await release();
    return await Promise.all(sent);
  });
  const statuses = deletions.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([204, ...upTo(29).map(() => 404)]);
  expect((await storedAgent(world, held.id)).row).toMatchObject({ version: 1, deleted_at: expect.any(String) });
});

test.for(upTo(4))('a deletion with If-Match deletes the version that it names or nothing, round %d', async (round) => {
  const agent = await newSubject(world);
  const api = world.client(agent.key);
  const patches = upTo(round).map((i) => api.patch(agent.id, { name: `Patch ${i}` }));
  const deletion = await api.remove(agent.id, { header: { 'If-Match': '"1"' } });
  const later = await api.patch(agent.id, { name: 'Later' });
  await Promise.all(patches);
  const { row } = await storedAgent(world, agent.id);
  expect([deletion.status, later.status]).toEqual(row.deleted_at === null ? [412, 200] : [204, 404]);
  if (row.deleted_at !== null) expect(row.version).toBe(1);
});
