import { expect, test } from 'vitest';
import { fullFields } from '../../support/fields.ts';
import { newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { answerOf, answerOfVersion, storedAgent, versionIn } from '../../support/stored-agent.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

test('twenty parallel merges store twenty keys, in twenty versions with one history entry each', async () => {
  const agent = await newSubject(world, { metadata: { before: true } });
  const answers = await Promise.all(
    upTo(20).map((i) =>
      world.patch(agent.key, agent.id, { metadata: { [`k${i}`]: i } }, { headers: { 'x-request-id': `merge-${i}` } }),
    ),
  );
  const after = await storedAgent(world, agent.id);
  const [, ...entries] = after.history;

  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(after.row).toMatchObject({
    version: 21,
    metadata: Object.fromEntries([['before', true], ...upTo(20).map((i) => [`k${i}`, i])]),
  });
  expect(answers.map(versionIn).toSorted((a, b) => a - b)).toEqual(upTo(20).map((i) => i + 2));
  for (const answer of answers) expect(answer.body).toEqual(answerOfVersion(after, versionIn(answer)));
  expect(entries.map(({ version, changedFields, keyId }) => ({ version, changedFields, keyId }))).toEqual(
    upTo(20).map((i) => ({ version: i + 2, changedFields: ['metadata'], keyId: agent.keyId })),
  );
  for (const [i, answer] of answers.entries()) {
    const entry = entries.find(({ requestId }) => requestId === `merge-${i}`);
    expect(entry?.version).toBe(versionIn(answer));
  }
});

test('each version of parallel changes has one key more, and a time that is not earlier', async () => {
  const agent = await newSubject(world);
  await Promise.all(upTo(30).map((i) => world.patch(agent.key, agent.id, { metadata: { [`k${i}`]: i } })));
  const { history } = await storedAgent(world, agent.id);
  const times = history.map(({ createdAt }) => createdAt.getTime());
  expect(history.map(({ snapshot }) => Object.keys(Object(snapshot.metadata)).length)).toEqual(upTo(31));
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
});

test('parallel patches of different fields are all stored', async () => {
  const agent = await newSubject(world);
  const fields = Object.entries(fullFields).filter(([field]) => field !== 'type');
  const answers = await Promise.all(
    fields.map(([field, value]) => world.patch(agent.key, agent.id, { [field]: value })),
  );
  const { row } = await storedAgent(world, agent.id);
  expect(answers.map(({ status }) => status)).toEqual(fields.map(() => 200));
  expect(answerOf(row)).toMatchObject(fullFields);
  expect(row.version).toBe(1 + fields.length);
});

test('parallel patches with the same values make one version', async () => {
  const agent = await newSubject(world);
  const answers = await Promise.all(upTo(20).map(() => world.patch(agent.key, agent.id, { name: 'The same' })));
  const { row, history } = await storedAgent(world, agent.id);
  expect(answers.map(({ status, headers, body }) => ({ status, etag: headers.etag, body }))).toEqual(
    upTo(20).map(() => ({ status: 200, etag: '"2"', body: answerOf(row) })),
  );
  expect(history.map(({ version }) => version)).toEqual([1, 2]);
});

test('of fifty parallel patches with one If-Match one is applied and 49 answer 412', async () => {
  const agent = await newSubject(world);
  const answers = await Promise.all(
    upTo(50).map((i) => world.patch(agent.key, agent.id, { name: `Writer ${i}` }, { headers: { 'if-match': '"1"' } })),
  );
  const { row, history } = await storedAgent(world, agent.id);
  const applied = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status !== 200);
  expect([applied.length, refused.length]).toEqual([1, 49]);
  expect(applied[0]?.body).toEqual(answerOf(row));
  expect(history.map(({ version }) => version)).toEqual([1, 2]);
  for (const answer of refused) expectProblem(answer, { code: 'PRECONDITION_FAILED', instance: `/agents/${agent.id}` });
});

test('parallel merges that only together exceed a limit of metadata stay within it', async () => {
  const agent = await newSubject(world);
  const answers = await Promise.all(
    upTo(60).map((i) => world.patch(agent.key, agent.id, { metadata: { [`k${i}`]: i } })),
  );
  const { row } = await storedAgent(world, agent.id);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(10);
  expect(Object.keys(Object(row.metadata))).toHaveLength(50);
  expect(row.version).toBe(51);
});

test.for(upTo(10))(
  'PATCHes beside a DELETE answer 200 or 404, and the agent stays deleted, round %d',
  async (round) => {
    const agent = await newSubject(world);
    const patches = (names: number[]) => names.map((i) => world.patch(agent.key, agent.id, { name: `Patch ${i}` }));
    const first = patches(upTo(round));
    const deletion = world.deleteAgent(agent.id);
    const answers = await Promise.all([...first, ...patches(upTo(12).map((i) => i + round))]);
    await deletion;
    const after = await storedAgent(world, agent.id);
    const accepted = answers.filter(({ status }) => status === 200);

    for (const answer of answers) {
      if (answer.status === 200) expect(answer.body).toEqual(answerOfVersion(after, versionIn(answer)));
      else expectProblem(answer, { code: 'RESOURCE_NOT_FOUND', instance: `/agents/${agent.id}` });
    }
    expect(after.row.deleted_at).not.toBeNull();
    expect(after.row.version).toBe(1 + accepted.length);
    expect(after.history.map(({ version }) => version)).toEqual(upTo(accepted.length + 1).map((i) => i + 1));
    expect((await world.patch(agent.key, agent.id, { name: 'Too late' })).status).toBe(404);
  },
);
