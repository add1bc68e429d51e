import { expect, onTestFinished, test } from 'vitest';
import { problemTexts } from '../../../src/http/problem-texts.ts';
import type { Schemas } from '../../support/client.ts';
import { pathOf } from '../../support/endpoints.ts';
import { fullFields } from '../../support/fields.ts';
import { untilWaiting } from '../../support/locks.ts';
import { expectRefusal, newSubject } from '../../support/patch-agent.ts';
import { expectProblem } from '../../support/problem.ts';
import { openWorld } from '../../support/world.ts';

const world = await openWorld();

const id = '00000000-0000-4000-8000-00000000dead';

test('the snapshot of a version is the answer that was given at that version, with the phone number beside it', async () => {
  const agent = await newSubject(world, fullFields);
  const number = await world.phoneNumber(agent.companyId);
  const api = world.client(agent.key);
  const answers = [await api.read(agent.id)];
  const patches: readonly Schemas['AgentPatch'][] = [
    { name: 'Second', metadata: { z: 1, a: { b: [1.5, 'é', null] }, team: null } },
    { type: 'PHONE', companyPhoneNumberId: number, instructions: null },
    { questions: [], voiceId: null, cefrLevel: null, backgroundSound: null, duration: 1 },
    { type: 'ONLINE', companyPhoneNumberId: null, metadata: { n: -0, tiny: 1e-7 } },
  ];
  for (const patch of patches) answers.push(await api.patch(agent.id, patch));
  for (const [at, { data, headers }] of answers.entries()) {
    const read = await api.version(agent.id, at + 1);
    const companyPhoneNumberId = headers['agent-phone-number-id'] ?? null;
    expect(read).toMatchObject({ status: 200 });
    expect(read.body).toEqual({ ...data, companyPhoneNumberId });
  }
});

test('an entry of the history has the changed fields, time, key, request and restored version; the newest entry is first', async () => {
  const agent = await newSubject(world);
  const api = world.client(agent.key);
  await api.patch(agent.id, { name: 'Second', duration: 31 }, { header: { 'X-Request-Id': 'second' } });
  await api.restore(agent.id, 1, { header: { 'X-Request-Id': 'third' } });
  const answer = await api.versions(agent.id);
  const stored = await world.history(agent.id);
  const shown = stored.map(({ snapshot, createdAt, ...entry }) => ({ ...entry, createdAt: createdAt.toISOString() }));
  const pagination = { total: 3, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false };
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({ data: shown.toReversed(), pagination });
  const byUs = { keyId: agent.keyId, changedFields: ['name', 'duration'] };
  expect(shown.slice(1)).toMatchObject([
    { ...byUs, version: 2, requestId: 'second', restoredFrom: null },
    { ...byUs, version: 3, requestId: 'third', restoredFrom: 1 },
  ]);
  expect(shown[0]).toMatchObject({ version: 1, keyId: null, requestId: null, restoredFrom: null });
});

test('a page of the history has its entries, newest first, their total, and whether a previous and a next page exist', async () => {
  const { key, id } = await newSubject(world);
  const api = world.client(key);
  for (const duration of [31, 32, 33, 34]) await api.patch(id, { duration });
  const at = async (page: number) => {
    const { data, pagination } = (await api.versions(id, { limit: 2, page })).data;
    return [data.map(({ version }) => version), pagination];
  };
  const all = { total: 5, limit: 2, totalPages: 3 };
  expect(await at(1)).toEqual([[5, 4], { ...all, page: 1, hasNextPage: true, hasPreviousPage: false }]);
  expect(await at(3)).toEqual([[1], { ...all, page: 3, hasNextPage: false, hasPreviousPage: true }]);
});

test('a page of the history has no version above its total, even if others are written meanwhile', async () => {
  const agent = await newSubject(world);
  const holder = await world.sql.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE agent_version');
  const reading = world.call(agent.key, `GET /agents/${agent.id}/versions`);
  await untilWaiting(world);
  await holder.query(
    `INSERT INTO agent_version (agent_id, version, created_at, snapshot, changed_fields)
     SELECT agent_id, 2, created_at, snapshot, '{}' FROM agent_version WHERE agent_id = $1`,
    [agent.id],
  );
  await holder.query('COMMIT');
  const { status, body } = await reading;
  expect(status).toBe(200);
  expect(body).toMatchObject({ data: [{ version: 1 }], pagination: { total: 1 } });
});

test('a page × limit over 100,000 is refused before the agent is looked up', async () => {
  const { key } = await world.company();
  const path = `/agents/${id}/versions`;
  const errors = [
    { in: 'query', parameter: 'page', code: 'too_large', detail: 'must be at most 5000', limit: 5000 },
  ] as const;
  const answer = await world.call(key, `GET ${path}?page=5001`);
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: path, errors });
});

test.for(['0', '-1', '01', '1.0', 'x', '1e1', '%20', '10000000000'])('the version %s answers 400', async (version) => {
  const { key } = await world.company();
  const path = `/agents/${id}/versions/${version}`;
  const detail = 'must be a version number, from 1 on';
  const errors = [{ in: 'path', parameter: 'version', code: 'bad_format', detail }] as const;
  for (const line of [`GET ${path}`, `GET ${path}/diff`, `POST ${path}/restore`]) {
    const answer = await world.call(key, line);
    expectProblem(answer, { code: 'VALIDATION_FAILED', instance: line.slice(line.indexOf('/')), errors });
  }
  const diff = `/agents/${id}/versions/1/diff`;
  const answer = await world.call(key, `GET ${diff}?to=${version}`);
  const inQuery = [{ in: 'query', parameter: 'to', code: 'bad_format', detail }] as const;
  expectProblem(answer, { code: 'VALIDATION_FAILED', instance: diff, errors: inQuery });
});

test.for(['2', '999999999'])('version %s of an agent that never had it answers 404', async (version) => {
  const agent = await newSubject(world);
  const path = `/agents/${agent.id}/versions`;
  const lines = [
    `GET ${path}/${version}`,
    `GET ${path}/${version}/diff`,
    `GET ${path}/1/diff?to=${version}`,
    `POST ${path}/${version}/restore`,
  ];
  for (const line of lines) {
    const instance = line.replace(/^\S+ /, '').replace(/\?.*/, '');
    const send = () => world.call(agent.key, line);
    const detail = `The agent has no version ${version}; its newest version is 1.`;
    await expectRefusal(world, agent.id, send, { code: 'RESOURCE_NOT_FOUND', instance, detail });
  }
});

test('a pruned version answers 404 and says that it was removed, and 403 to another company', async () => {
  const agent = await newSubject(world);
  await world.patch(agent.key, agent.id, { name: 'Second' });
  await world.patch(agent.key, agent.id, { name: 'Third' });
  await world.sql.query('DELETE FROM agent_version WHERE agent_id = $1 AND version = 2', [agent.id]);
  const path = `/agents/${agent.id}/versions`;
  const lines = [`GET ${path}/2`, `GET ${path}/2/diff`, `GET ${path}/1/diff?to=2`, `POST ${path}/2/restore`];
  const { key } = await world.company();
  for (const line of lines) {
    const instance = pathOf(line);
    const detail = problemTexts.versionPruned;
    expectProblem(await world.call(agent.key, line), { code: 'RESOURCE_NOT_FOUND', instance, detail });
    expectProblem(await world.call(key, line), { code: 'RESOURCE_ACCESS_DENIED', instance });
  }
});

const differences: readonly (readonly [string, object, readonly object[]])[] = [
  ['nothing', {}, []],
  ['a field', { name: 'After' }, [{ field: 'name', before: 'Before', after: 'After' }]],
  ['a cleared field', { voiceId: null }, [{ field: 'voiceId', before: 'EVA', after: null }]],
  ['a list, whole', { questions: ['Two?'] }, [{ field: 'questions', before: ['One?', 'Two?'], after: ['Two?'] }]],
  [
    'places in metadata, by JSON pointer',
    { metadata: { team: null, 'a/b~c': 1, nested: { on: true, list: [], more: {} } } },
    [
      { field: 'metadata', pointer: '/a~1b~0c', after: 1 },
      { field: 'metadata', pointer: '/nested/list', before: [1, { deep: null }], after: [] },
      { field: 'metadata', pointer: '/nested/more', after: {} },
      { field: 'metadata', pointer: '/nested/on', before: false, after: true },
      { field: 'metadata', pointer: '/team', before: 'A' },
    ],
  ],
  [
    'an object in the place of a text',
    { metadata: { team: { toJSON: 1 } }, duration: 46 },
    [
      { field: 'duration', before: 45, after: 46 },
      { field: 'metadata', pointer: '/team', before: 'A', after: { toJSON: 1 } },
    ],
  ],
];

test.for(differences)(
  'a diff shows %s, up to the current version unless `to` names another',
  async ([, patch, changes]) => {
    const agent = await newSubject(world, fullFields);
    await world.client(agent.key).patch(agent.id, patch);
    const to = changes.length > 0 ? 2 : 1;
    const diff = async (version: number, query: { to?: string } = {}) =>
      (await world.client(agent.key).diff(agent.id, version, query)).data;
    expect(await diff(1)).toEqual({ from: 1, to, changes });
    expect(await diff(1, { to: `${to}` })).toEqual({ from: 1, to, changes });
    const back = changes.map((change) => {
      const { before, after, ...place }: { before?: unknown; after?: unknown } = change;
      return {
        ...place,
        ...(after !== undefined && { before: after }),
        ...(before !== undefined && { after: before }),
      };
    });
    expect(await diff(to, { to: '1' })).toEqual({ from: to, to: 1, changes: back });
  },
);

test('a diff shows the phone number, which is no member of the answer', async () => {
  const agent = await newSubject(world);
  const number = await world.phoneNumber(agent.companyId);
  await world.client(agent.key).patch(agent.id, { companyPhoneNumberId: number });
  const { data } = await world.client(agent.key).diff(agent.id, 1, { to: '2' });
  const changes = [{ field: 'companyPhoneNumberId', before: null, after: number }];
  expect(data).toEqual({ from: 1, to: 2, changes });
});
