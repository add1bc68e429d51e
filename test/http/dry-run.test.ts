import { expect, test } from 'vitest';
import type { Fault } from '../../src/http/faults.ts';
import type { ProblemCode } from '../../src/http/problems.ts';
import type { Client, Schemas } from '../support/client.ts';
import { fullFields } from '../support/fields.ts';
import type { Answer } from '../support/http.ts';
import { expectRefusal, newSubject, type Subject } from '../support/patch-agent.ts';
import { expectProblem } from '../support/problem.ts';
import { storedAgent } from '../support/stored-agent.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();

/** Every row of every table, as text. */
async function everything(): Promise<unknown[]> {
  const tables = await world.sql.query(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  const contents = await Promise.all(
    tables.rows.map(({ name }) => world.sql.query(`SELECT t::text AS row FROM "${name}" t ORDER BY 1`)),
  );
  return contents.map(({ rows }, at) => [tables.rows[at], rows]);
}

/** A change, as a dry run or for real. */
type Change = (api: Client, query: { readonly dryRun: boolean }, header?: { 'If-Match'?: string }) => Promise<Answer>;

const patch =
  (id: string, body: Schemas['AgentPatch']): Change =>
  (api, query, header = {}) =>
    api.patch(id, body, { query, header });
const restore =
  (id: string, version: number): Change =>
  (api, query, header = {}) =>
    api.restore(id, version, { query, header });

/** An answer without times, version and request id. */
function comparable({ status, headers, body }: Answer) {
  const { date, etag, 'x-request-id': requestId, 'content-length': length, ...others } = headers;
  const { updatedAt, ...members } = Object(body);
  return { status, headers: others, members };
}

/** An agent at version 2, and a phone number of its company. */
async function agentAtTwo() {
  const agent = await newSubject(world, fullFields);
  await world.client(agent.key).patch(agent.id, { name: 'Second', metadata: { second: [1] } });
  return { agent, number: await world.phoneNumber(agent.companyId) };
}

const changes: Readonly<Record<string, (agent: Subject, number: string) => Change>> = {
  'a patch of fields': ({ id }) => patch(id, { name: 'Third', voiceId: null }),
  'a merge of metadata': ({ id }) => patch(id, { metadata: { second: null, nested: { on: null, more: -0 } } }),
  'a patch of the number': ({ id }, number) => patch(id, { type: 'PHONE', companyPhoneNumberId: number.toUpperCase() }),
  'a patch that changes nothing': ({ id }) => patch(id, { name: 'Second' }),
  'a restore': ({ id }) => restore(id, 1),
  'a restore that changes nothing': ({ id }) => restore(id, 2),
};

test.for(Object.entries(changes))(
  'a dry run of %s answers 200 with Dry-Run: true, otherwise as the real change except for times and version, and writes no row of any table',
  async ([, make]) => {
    const { agent, number } = await agentAtTwo();
    const change = make(agent, number);
    const api = world.client(agent.key);
    const current = await api.read(agent.id);
    const before = await everything();
    const tried = await change(api, { dryRun: true });
    expect(await everything()).toEqual(before);
    const made = await change(api, { dryRun: false });

    expect(tried.status).toBe(200);
    expect(tried.headers).toMatchObject({ 'dry-run': 'true', etag: '"2"', 'changed-fields': expect.any(String) });
    expect(Object(tried.body).updatedAt).toBe(current.data.updatedAt);
    const { headers, ...others } = comparable(tried);
    const { 'dry-run': _, ...shared } = headers;
    expect({ ...others, headers: shared }).toEqual(comparable(made));
  },
);

const unknownNumber = '00000000-0000-4000-8000-00000000dead';

/** Changes that are refused, by a dry run as well. */
const refused: readonly (readonly [string, ProblemCode, (agent: Subject) => Change, { 'If-Match': string }?])[] = [
  ['a stale patch', 'PRECONDITION_FAILED', ({ id }) => patch(id, {}), { 'If-Match': '"1"' }],
  ['a stale restore', 'PRECONDITION_FAILED', ({ id }) => restore(id, 1), { 'If-Match': '"1"' }],
  ['a duration of 0', 'VALIDATION_FAILED', ({ id }) => patch(id, { duration: 0 })],
  ['an unknown phone number', 'VALIDATION_FAILED', ({ id }) => patch(id, { companyPhoneNumberId: unknownNumber })],
  ['metadata over the limit', 'VALIDATION_FAILED', ({ id }) => patch(id, { metadata: { text: 'x'.repeat(11_000) } })],
  ['an unknown agent', 'RESOURCE_NOT_FOUND', () => patch(unknownNumber, {})],
  ['an unknown version', 'RESOURCE_NOT_FOUND', ({ id }) => restore(id, 9)],
];

test.for(refused)('a dry run with %s is refused as the real change is: %s', async ([, code, make, header]) => {
  const { agent } = await agentAtTwo();
  const change = make(agent);
  const before = await everything();
  const api = world.client(agent.key);
  const [tried, made] = [await change(api, { dryRun: true }, header), await change(api, { dryRun: false }, header)];
  const { requestId: _, ...problem } = Object(tried.body);
  expect(problem.code).toBe(code);
  expect(made.body).toEqual({ ...problem, requestId: made.headers['x-request-id'] });
  expect(await everything()).toEqual(before);
});

test.for([{ dryRun: false }, {}])(
  'dryRun=false is the default: with the query %j the change is written',
  async (query) => {
    const { agent } = await agentAtTwo();
    const api = world.client(agent.key);
    const patched = await api.patch(agent.id, { name: 'Third' }, { query });
    const restored = await api.restore(agent.id, 2, { query });
    for (const [at, answer] of [patched, restored].entries()) {
      expect(answer).toMatchObject({ status: 200, headers: { etag: `"${at + 3}"`, 'changed-fields': 'name' } });
      expect(answer.headers).not.toHaveProperty('dry-run');
    }
    const { row, history } = await storedAgent(world, agent.id);
    expect(row).toMatchObject({ version: 4, name: 'Second' });
    expect(history.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  },
);

const lists: readonly (readonly [Schemas['AgentPatch'], string])[] = [
  [{ backgroundSound: null, duration: 46, name: 'Third' }, 'name, duration, backgroundSound'],
  [{ metadata: { second: null }, name: 'Second' }, 'metadata'],
  [{ name: 'Second', metadata: {} }, ''],
  [{}, ''],
];

test.for(lists)('Changed-Fields is on every PATCH answer, dry run or not: %j changes "%s"', async ([body, changed]) => {
  const { agent } = await agentAtTwo();
  for (const query of [{ dryRun: true }, {}]) {
    const answer = await world.client(agent.key).patch(agent.id, body, { query });
    expect(answer).toMatchObject({ status: 200, headers: { 'changed-fields': changed } });
  }
});

const wrongType = { code: 'wrong_type', detail: 'must be true or false' } as const;
const values: readonly (readonly [string, Pick<Fault, 'code' | 'detail' | 'limit'>])[] = [
  ['dryRun=TRUE', wrongType],
  ['dryRun=1', wrongType],
  ['dryRun=0', wrongType],
  ['dryRun=', wrongType],
  ['dryRun', wrongType],
  ['dryRun=null', wrongType],
  ['dryRun=true&dryRun=true', { code: 'too_many', detail: 'must be given once', limit: 1 }],
];

test.for(values)('?%s is refused, and nothing is changed', async ([query, complaint]) => {
  const { agent } = await agentAtTwo();
  const errors: Fault[] = [{ in: 'query', parameter: 'dryRun', ...complaint }];
  const patchIt = () => world.patch(agent.key, agent.id, { name: 'Must not stick' }, { query: `?${query}` });
  await expectRefusal(world, agent.id, patchIt, { code: 'VALIDATION_FAILED', errors });
  const instance = `/agents/${agent.id}/versions/1/restore`;
  const restoreIt = () => world.call(agent.key, `POST ${instance}?${query}`);
  await expectRefusal(world, agent.id, restoreIt, { code: 'VALIDATION_FAILED', errors, instance });
});

test('a dry run needs the scope that the change needs', async () => {
  const { agent } = await agentAtTwo();
  const reader = await world.keyWith(agent.companyId, 'read:agents');
  const answer = await world.client(reader).patch(agent.id, {}, { query: { dryRun: true } });
  const detail = 'This API key lacks the scope write:agents.';
  expectProblem(answer, { code: 'INSUFFICIENT_PERMISSIONS', instance: `/agents/${agent.id}`, detail });
});
